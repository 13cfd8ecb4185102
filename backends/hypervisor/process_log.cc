#include "backends/hypervisor/process_log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "base/status.h"

namespace ember::hypervisor {
namespace {

constexpr uint64_t kMaxQuote = 2048;
constexpr size_t kMaxQuotedLines = 8;

// The last `size` bytes of an open file, or all of it.
std::string TailOf(int fd, uint64_t size) {
  struct stat info;
  if (fstat(fd, &info) != 0 || info.st_size <= 0) return {};
  const uint64_t length = std::min<uint64_t>(size, static_cast<uint64_t>(info.st_size));
  std::string tail(length, '\0');
  const ssize_t got = pread(fd, tail.data(), length, info.st_size - static_cast<off_t>(length));
  tail.resize(got > 0 ? static_cast<size_t>(got) : 0);
  return tail;
}

std::vector<std::string> PrintableLines(const std::string& text) {
  std::vector<std::string> lines(1);
  for (const char c : text) {
    if (c == '\n') {
      if (!lines.back().empty()) lines.emplace_back();
    } else if (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f) {
      lines.back().push_back(c);
    }
  }
  if (lines.back().empty()) lines.pop_back();
  return lines;
}

}  // namespace

absl::StatusOr<UniqueFd> OpenProcessLog(const std::filesystem::path& path) {
  UniqueFd fd(
      open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd.valid()) return ErrnoStatus(errno, path.native());
  return fd;
}

std::string LastWords(const std::filesystem::path& path) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd.valid()) return {};
  const std::vector<std::string> lines = PrintableLines(TailOf(fd.get(), kMaxQuote));
  std::string words;
  for (size_t i = lines.size() - std::min(lines.size(), kMaxQuotedLines); i < lines.size(); ++i) {
    if (!words.empty()) words += "; ";
    words += lines[i];
  }
  return words;
}

void BoundLog(const std::filesystem::path& path, uint64_t limit) {
  const UniqueFd fd(open(path.c_str(), O_RDWR | O_NOFOLLOW | O_CLOEXEC));
  struct stat info;
  if (!fd.valid() || fstat(fd.get(), &info) != 0) return;
  if (static_cast<uint64_t>(info.st_size) <= limit) return;
  const std::string tail = TailOf(fd.get(), limit / 2);
  // The writer appends, so after this it continues behind the tail.
  if (ftruncate(fd.get(), 0) != 0) return;
  [[maybe_unused]] const ssize_t written = pwrite(fd.get(), tail.data(), tail.size(), 0);
}

}  // namespace ember::hypervisor
