#include "cli/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <utility>

#include "base/status.h"

namespace ember::cli {

bool IsTerminal(int fd) { return ::isatty(fd) == 1; }

std::optional<WindowSize> WindowSizeOf(int fd) {
  winsize size{};
  if (::ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_row == 0 || size.ws_col == 0) {
    return std::nullopt;
  }
  return WindowSize{size.ws_row, size.ws_col};
}

WindowSize OurWindowSize() {
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO}) {
    if (const auto size = WindowSizeOf(fd); size.has_value()) return *size;
  }
  return WindowSize{};
}

absl::StatusOr<RawMode> RawMode::Enter(int fd) {
  termios before{};
  if (::tcgetattr(fd, &before) != 0) return ErrnoStatus(errno, "terminal: reading its mode");
  termios raw = before;
  ::cfmakeraw(&raw);
  if (::tcsetattr(fd, TCSADRAIN, &raw) != 0) return ErrnoStatus(errno, "terminal: raw mode");
  return RawMode(fd, before);
}

RawMode::RawMode(RawMode&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), before_(other.before_) {}

RawMode::~RawMode() {
  if (fd_ < 0) return;
  // From a background process group the call would stop us with SIGTTOU; blocking that lets it
  // through (tcsetattr(3)).
  sigset_t block;
  ::sigemptyset(&block);
  ::sigaddset(&block, SIGTTOU);
  ::pthread_sigmask(SIG_BLOCK, &block, nullptr);
  ::tcsetattr(fd_, TCSADRAIN, &before_);  // the terminal may be gone: nothing left to restore then
}

}  // namespace ember::cli
