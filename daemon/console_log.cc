#include "daemon/console_log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"

namespace ember::daemon {
namespace {

std::filesystem::path OlderPart(const std::filesystem::path& path) {
  std::filesystem::path older = path;
  older += ".1";
  return older;
}

// The last `bytes` bytes of one file; empty when it is absent.
absl::StatusOr<ConsoleEnd> FileTail(const std::filesystem::path& path, size_t bytes) {
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) {
    if (errno == ENOENT) return ConsoleEnd();
    return ErrnoStatus(errno, path.native());
  }
  struct stat info;
  if (fstat(fd.get(), &info) != 0) return ErrnoStatus(errno, path.native());
  const auto size = static_cast<size_t>(info.st_size);
  std::string text(std::min(bytes, size), '\0');
  const ssize_t got =
      pread(fd.get(), text.data(), text.size(), static_cast<off_t>(size - text.size()));
  if (got < 0) return ErrnoStatus(errno, path.native());
  text.resize(static_cast<size_t>(got));
  return ConsoleEnd{std::move(text), size};
}

std::string Printable(std::string_view text) {
  std::string printable;
  for (const char c : text) {
    if (c == '\t' || (static_cast<unsigned char>(c) >= ' ' && c != 0x7f)) printable.push_back(c);
  }
  return printable;
}

}  // namespace

absl::Status TrimConsole(const std::filesystem::path& path) {
  struct stat info;
  if (stat(path.c_str(), &info) != 0 || static_cast<size_t>(info.st_size) <= kConsoleLimit)
    return absl::OkStatus();
  ASSIGN_OR_RETURN(const ConsoleEnd kept, FileTail(path, kConsoleLimit));
  RETURN_IF_ERROR(WriteFileAtomically(OlderPart(path), kept.tail, 0600));
  if (truncate(path.c_str(), 0) != 0) return ErrnoStatus(errno, path.native());
  return absl::OkStatus();
}

void RemoveConsole(const std::filesystem::path& path) {
  unlink(path.c_str());
  unlink(OlderPart(path).c_str());
}

absl::StatusOr<std::string> ConsoleTail(const std::filesystem::path& path, size_t bytes) {
  ASSIGN_OR_RETURN(ConsoleEnd console, ConsoleTailAndEnd(path, bytes));
  return std::move(console.tail);
}

absl::StatusOr<ConsoleEnd> ConsoleTailAndEnd(const std::filesystem::path& path, size_t bytes) {
  ASSIGN_OR_RETURN(ConsoleEnd newest, FileTail(path, bytes));
  if (newest.tail.size() == bytes) return newest;
  ASSIGN_OR_RETURN(const ConsoleEnd older, FileTail(OlderPart(path), bytes - newest.tail.size()));
  newest.tail.insert(0, older.tail);
  return newest;
}

std::string LastConsoleLines(const std::filesystem::path& path, int lines) {
  // Best effort: it only adds to an error message.
  const std::string tail = ConsoleTail(path, 4096).value_or("");
  std::vector<std::string> kept;
  for (size_t start = 0; start < tail.size();) {
    const size_t end = std::min(tail.find('\n', start), tail.size());
    std::string line = Printable(std::string_view(tail).substr(start, end - start));
    if (!line.empty()) kept.push_back(std::move(line));
    start = end + 1;
  }
  std::string text;
  const size_t first =
      kept.size() > static_cast<size_t>(lines) ? kept.size() - static_cast<size_t>(lines) : 0;
  for (size_t i = first; i < kept.size(); ++i) text += (text.empty() ? "" : "\n") + kept[i];
  return text;
}

}  // namespace ember::daemon
