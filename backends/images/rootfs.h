#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "backends/images/entry_source.h"
#include "backends/images/ext4_geometry.h"
#include "backends/images/list_source.h"
#include "backends/images/progress.h"
#include "base/cancellation.h"
#include "base/size.h"

namespace ember::images {

// What a root filesystem is made from.
struct RootfsSource {
  OpenEntrySource open;
  uint64_t bytes_to_read = 0;  // for progress; 0 when not known
  std::optional<uint64_t>
      unpacked_size;  // a guess at all bytes; without it the source is read twice
  // What the filesystem's identity (UUID, times) is derived from, so that the same source makes the
  // same bytes; empty: a new identity each time.
  std::string identity;
  std::vector<ListedEntry> replacements;  // written over what the source has
};

struct RootfsOptions {
  uint64_t size_bytes = 0;  // of the filesystem; 0: what the content needs and about a tenth more
  // A source with more content or entries than that is refused (a small archive can unpack to
  // petabytes).
  uint64_t max_content_bytes = 64 * kGiB;
  uint64_t max_entries = 4'000'000;

  friend bool operator==(const RootfsOptions&, const RootfsOptions&) = default;
};

// How much of a filesystem the source fills. Reads it to its end.
absl::StatusOr<Ext4Content> MeasureContent(const RootfsSource& source, const RootfsOptions& options,
                                           const Cancellation& cancellation);

// Writes the source as an ext4 filesystem to the new file `target` and answers its size. In one
// pass if the guess at its size is good, else it counts first. InvalidArgument for a bad source or
// for a size that is too small (the message says how much is needed). Removes `target` after a
// failure. Blocks.
absl::StatusOr<uint64_t> WriteRootfs(const RootfsSource& source,
                                     const std::filesystem::path& target,
                                     const RootfsOptions& options, const ProgressSink& sink,
                                     const Cancellation& cancellation);

}  // namespace ember::images
