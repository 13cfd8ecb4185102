#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <memory>
#include <string>
#include <utility>

#include "base/status.h"
#include "base/status_macros.h"
#include "guest-agent/blocking_task.h"
#include "guest-agent/file_facts.h"
#include "guest-agent/file_removal.h"

namespace ember::agent {
namespace {

using v1::AgentFrame;
using v1::ClientFrame;

// A part of a list is sent when it has so many bytes; a file's facts have at most 16 KiB.
constexpr size_t kPart = size_t{64} << 10;

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};

absl::Status SendDone(FrameSocket& client) {
  AgentFrame frame;
  frame.mutable_done();
  return client.Send(frame);
}

absl::Status ListDirectory(const v1::ListDirectory& request, FrameSocket& client) {
  RETURN_IF_ERROR(CheckPath(request.path()));
  const std::unique_ptr<DIR, CloseDirectory> directory(::opendir(request.path().c_str()));
  if (directory == nullptr) return ErrnoStatus(errno, request.path());
  const IdNames names = IdNames::Read();
  AgentFrame frame;
  v1::FileList& part = *frame.mutable_file_list();
  size_t size = 0;
  while (const dirent* member = ::readdir(directory.get())) {
    const std::string name = member->d_name;
    if (name == "." || name == "..") continue;
    auto facts = FactsOf(::dirfd(directory.get()), name, Links::kKeep, names);
    if (absl::IsNotFound(facts.status())) continue;  // gone meanwhile
    if (!facts.ok()) return facts.status();
    size += facts->ByteSizeLong();
    *part.add_files() = *std::move(facts);
    if (size < kPart) continue;
    RETURN_IF_ERROR(client.Send(frame));
    part.Clear();
    size = 0;
  }
  part.set_last(true);
  return client.Send(frame);
}

absl::Status StatFile(const v1::StatFile& request, FrameSocket& client) {
  RETURN_IF_ERROR(CheckPath(request.path()));
  AgentFrame frame;
  const Links links = request.follow_symlinks() ? Links::kFollow : Links::kKeep;
  ASSIGN_OR_RETURN(*frame.mutable_file_list()->add_files(),
                   FactsOf(AT_FDCWD, request.path(), links, IdNames::Read()));
  frame.mutable_file_list()->set_last(true);
  return client.Send(frame);
}

absl::Status RemoveFile(const v1::RemoveFile& request, FrameSocket& client,
                        const Cancellation& cancellation) {
  RETURN_IF_ERROR(CheckPath(request.path()));
  RETURN_IF_ERROR(agent::RemoveFile(
      request.path(), {.recursive = request.recursive(), .missing_ok = request.missing_ok()},
      cancellation));
  return SendDone(client);
}

// One directory, with exactly this mode; OK when it is there and that is fine.
absl::Status MakeOne(const std::string& path, mode_t mode, bool existing_ok) {
  if (::mkdir(path.c_str(), mode) == 0) {
    return ::chmod(path.c_str(), mode) == 0 ? absl::OkStatus() : ErrnoStatus(errno, path);
  }
  struct stat status {};
  const int error = errno;
  if (error == EEXIST && existing_ok && ::stat(path.c_str(), &status) == 0 &&
      S_ISDIR(status.st_mode)) {
    return absl::OkStatus();
  }
  return ErrnoStatus(error, path);
}

absl::Status MakeDirectory(const v1::MakeDirectory& request, FrameSocket& client) {
  RETURN_IF_ERROR(CheckPath(request.path()));
  constexpr mode_t kUsual = 0755;
  const mode_t mode = request.mode() == 0 ? kUsual : request.mode() & 07777;
  const std::string& path = request.path();
  for (size_t slash = path.find('/', 1); request.parents() && slash != std::string::npos;
       slash = path.find('/', slash + 1)) {
    RETURN_IF_ERROR(MakeOne(path.substr(0, slash), kUsual, true));
  }
  RETURN_IF_ERROR(MakeOne(path, mode, request.parents()));
  return SendDone(client);
}

}  // namespace

absl::StatusOr<std::unique_ptr<SessionTask>> StartListDirectoryTask(const Context& context,
                                                                    const ClientFrame& request,
                                                                    ClientLink& link) {
  return StartBlockingTask(
      context, link, "list files",
      [request = request.list_directory()](FrameSocket& client, const Cancellation&) {
        return ListDirectory(request, client);
      });
}

absl::StatusOr<std::unique_ptr<SessionTask>> StartStatFileTask(const Context& context,
                                                               const ClientFrame& request,
                                                               ClientLink& link) {
  return StartBlockingTask(
      context, link, "stat file",
      [request = request.stat_file()](FrameSocket& client, const Cancellation&) {
        return StatFile(request, client);
      });
}

absl::StatusOr<std::unique_ptr<SessionTask>> StartRemoveFileTask(const Context& context,
                                                                 const ClientFrame& request,
                                                                 ClientLink& link) {
  return StartBlockingTask(
      context, link, "remove file",
      [request = request.remove_file()](FrameSocket& client, const Cancellation& cancellation) {
        return RemoveFile(request, client, cancellation);
      });
}

absl::StatusOr<std::unique_ptr<SessionTask>> StartMakeDirectoryTask(const Context& context,
                                                                    const ClientFrame& request,
                                                                    ClientLink& link) {
  return StartBlockingTask(
      context, link, "make directory",
      [request = request.make_directory()](FrameSocket& client, const Cancellation&) {
        return MakeDirectory(request, client);
      });
}

}  // namespace ember::agent
