#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/tree/destination.h"
#include "base/tree/directory_stack.h"
#include "base/tree/hard_links.h"
#include "base/tree/partial_file.h"
#include "base/tree/tar_reader.h"

namespace ember::tree {

struct SinkOptions {
  bool keep_owner = false;  // uid, gid and setuid bits as the stream says; else the process's own
  enum class Devices { kSkip, kMake } devices = Devices::kSkip;  // skipped ones are named
};

// Unpacks a tar stream below a directory. The stream is not trusted: whatever it says, nothing is
// written outside the root, not through a symbolic link that is there or that the stream made; a
// hard link reaches only what the stream made. Each file is written under a temporary name and
// moved into place when it is whole. A directory that is there is kept; a link or a file that is in
// the way of anything but a directory is replaced; a directory in the way of a file is an error.
// Blocks on the disk. Not thread-safe.
class TreeSink : private EntryReceiver {
 public:
  TreeSink(Destination destination, SinkOptions options);
  TreeSink(const TreeSink&) = delete;
  TreeSink& operator=(const TreeSink&) = delete;
  // Removes what is not complete. What is complete stays.
  ~TreeSink() override = default;

  // The next bytes of the stream. After an error, which names the entry, the sink is of no more
  // use.
  absl::Status Append(std::string_view bytes) { return reader_.Append(bytes); }
  // The stream has ended. InvalidArgument when it is cut off.
  absl::StatusOr<TreeSummary> Finish();

 private:
  absl::Status OnEntry(const Entry& entry) override;
  absl::Status OnContent(uint64_t offset, std::string_view bytes) override;
  absl::Status OnEntryEnd(uint64_t size) override;

  absl::Status PlaceUnderTop(const Entry& entry, std::vector<std::string_view>& components);
  absl::Status Make(const Entry& entry, const std::vector<std::string_view>& components);
  absl::Status BeginFile(int directory);
  absl::Status MakeSymlink(const Entry& entry, int directory);
  absl::Status MakeNode(const Entry& entry, int directory);
  absl::Status MakeHardLink(const Entry& entry, const std::vector<std::string_view>& components);
  absl::StatusOr<Attributes> AttributesOf(const Entry& entry) const;
  absl::Status SetAttributesAt(int directory, const Entry& entry) const;

  const SinkOptions options_;
  const std::string top_;
  const bool directory_only_;
  std::string streamed_top_;  // the stream's own name of its one top
  DirectoryStack directories_;
  TemporaryNames temporary_names_;
  MadeFiles made_;
  TreeSummary summary_;
  TarReader reader_;

  // The entry under way.
  std::string name_;  // its place below the root
  std::string leaf_;  // the last component of that
  Attributes attributes_;
  std::optional<PartialFile> file_;  // goes before the directory that it is in
};

}  // namespace ember::tree
