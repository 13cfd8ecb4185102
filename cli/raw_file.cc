#include "cli/raw_file.h"

#include <algorithm>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "base/tree/file_source.h"
#include "base/tree/tar_header.h"
#include "cli/standard_streams.h"

namespace ember::cli {

absl::StatusOr<tree::TreeSummary> SendRawFile(int fd, const std::string& name,
                                              tree::PieceWriter& out,
                                              const Cancellation& cancellation) {
  tree::Entry entry;
  entry.name = name;
  entry.modified.seconds = absl::ToUnixSeconds(absl::Now());
  tree::TreeSummary summary;
  ASSIGN_OR_RETURN(summary.bytes, tree::SendUnsized(fd, std::move(entry), out, cancellation));
  summary.files = 1;
  RETURN_IF_ERROR(out.Write(tree::TarEnd()));
  RETURN_IF_ERROR(out.Flush());
  return summary;
}

absl::Status RawFileReceiver::OnEntry(const tree::Entry& entry) {
  if (entry.kind == tree::EntryKind::kFile) return absl::OkStatus();
  return InvalidArgument("{}: it is no file: only the bytes of one file go to standard output",
                         path_);
}

absl::Status RawFileReceiver::OnContent(uint64_t offset, std::string_view bytes) {
  RETURN_IF_ERROR(FillTo(offset));
  written_ += bytes.size();
  return WriteStdout(bytes);
}

absl::Status RawFileReceiver::FillTo(uint64_t offset) {
  static constexpr char kZeros[4096] = {};
  while (written_ < offset) {
    const size_t count = std::min<uint64_t>(offset - written_, sizeof kZeros);
    RETURN_IF_ERROR(WriteStdout({kZeros, count}));
    written_ += count;
  }
  return absl::OkStatus();
}

}  // namespace ember::cli
