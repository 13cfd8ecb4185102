#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>

#include "absl/status/statusor.h"
#include "backends/images/entry.h"

namespace ember::images {

// A piece of a file's content.
struct EntryBlock {
  uint64_t offset = 0;
  std::string_view bytes;  // valid until the next call on the source
};

// Entries of a root filesystem, one after the other; a folder comes before what is in it, though
// its own description may come later. Errors name the source and the reason. Not thread-safe.
// Implementations: archive_source.h, directory_source.h, list_source.h.
class EntrySource {
 public:
  virtual ~EntrySource() = default;

  // The next entry; nothing at the end.
  virtual absl::StatusOr<std::optional<Entry>> Next() = 0;

  // The next piece of the content of the file that Next answered last, by rising offset; what lies
  // between pieces is a hole. Nothing at its end.
  virtual absl::StatusOr<std::optional<EntryBlock>> NextBlock() = 0;

  // How much has been read so far of SourceSize bytes, for progress.
  virtual uint64_t bytes_read() const = 0;
};

// Starts reading a source from its beginning.
using OpenEntrySource = std::function<absl::StatusOr<std::unique_ptr<EntrySource>>()>;

}  // namespace ember::images
