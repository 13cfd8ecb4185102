#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "base/cancellation.h"
#include "base/tree/piece_writer.h"
#include "base/tree/tar_reader.h"

// One file as plain bytes, for standard streams.
namespace ember::cli {

// Sends what can be read from `fd` as the one file of a stream.
absl::StatusOr<tree::TreeSummary> SendRawFile(int fd, const std::string& name,
                                              tree::PieceWriter& out,
                                              const Cancellation& cancellation);

// Writes the content of the one file of a stream to standard output, holes as zeros.
class RawFileReceiver : public tree::EntryReceiver {
 public:
  // `path` is for messages.
  explicit RawFileReceiver(std::string path) : path_(std::move(path)) {}

 private:
  absl::Status OnEntry(const tree::Entry& entry) override;
  absl::Status OnContent(uint64_t offset, std::string_view bytes) override;
  absl::Status OnEntryEnd(uint64_t size) override { return FillTo(size); }
  absl::Status FillTo(uint64_t offset);

  const std::string path_;
  uint64_t written_ = 0;
};

}  // namespace ember::cli
