#include "guest-agent/json/workspace_archive.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string_view>
#include <utility>

#include "base/status.h"
#include "base/status_macros.h"
#include "base/tree/piece_writer.h"
#include "base/tree/tree_sink.h"
#include "base/tree/tree_source.h"
#include "base/unique_fd.h"
#include "guest-agent/json/gzip.h"

namespace ember::agent {
namespace {

absl::Status WriteAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return ErrnoStatus(errno, "write");
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return absl::OkStatus();
}

absl::Status ReadAll(int fd, const TakeBytes& take) {
  std::array<char, 64 << 10> piece;
  while (true) {
    const ssize_t got = read(fd, piece.data(), piece.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoStatus(errno, "read");
    if (got == 0) return absl::OkStatus();
    RETURN_IF_ERROR(take({piece.data(), static_cast<size_t>(got)}));
  }
}

}  // namespace

absl::Status SaveArchive(int parent, const std::string& name, int folder, const char* archive,
                         Budget& budget, const Cancellation& cancellation) {
  const UniqueFd file(openat(folder, archive, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!file.valid()) return ErrnoStatus(errno, archive);
  GzipWriter gzip([&](std::string_view packed) {
    RETURN_IF_ERROR(budget.Charge(packed.size()));
    return WriteAll(file.get(), packed);
  });
  tree::PieceWriter pieces([&](std::string& piece) {
    RETURN_IF_ERROR(cancellation.Check("archive"));
    return gzip.Append(piece);
  });
  // By the open directory: no link on the way is followed.
  const std::string path = fmt::format("/proc/self/fd/{}/{}", parent, name);
  RETURN_IF_ERROR(tree::TreeSource::Send(path, {}, pieces).status());
  return gzip.Finish();
}

absl::StatusOr<uint64_t> LoadArchive(int folder, const char* archive, int parent,
                                     const std::string& name, const Cancellation& cancellation) {
  const UniqueFd file(openat(folder, archive, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!file.valid()) return ErrnoStatus(errno, archive);
  tree::Destination destination;
  destination.root.Reset(fcntl(parent, F_DUPFD_CLOEXEC, 0));
  if (!destination.root.valid()) return ErrnoStatus(errno, name);
  destination.top = name;
  destination.directory_only = true;
  tree::TreeSink sink(std::move(destination),
                      {.keep_owner = true, .devices = tree::SinkOptions::Devices::kMake});
  GzipReader gzip([&](std::string_view plain) { return sink.Append(plain); });
  RETURN_IF_ERROR(ReadAll(file.get(), [&](std::string_view packed) {
    RETURN_IF_ERROR(cancellation.Check("archive"));
    return gzip.Append(packed);
  }));
  RETURN_IF_ERROR(gzip.Finish());
  ASSIGN_OR_RETURN(const tree::TreeSummary summary, sink.Finish());
  return summary.files > 0 ? summary.files - 1 : 0;  // without the directory itself
}

}  // namespace ember::agent
