#pragma once

#include <termios.h>

#include <cstdint>
#include <optional>

#include "absl/status/statusor.h"

// The terminal that the user sits at.
namespace ember::cli {

struct WindowSize {
  uint32_t rows = 24;
  uint32_t columns = 80;

  friend bool operator==(const WindowSize&, const WindowSize&) = default;
};

bool IsTerminal(int fd);

// The size of the terminal behind `fd`; nothing where there is none or it does not know.
std::optional<WindowSize> WindowSizeOf(int fd);

// The size of the terminal that this process reads from, else of the one that it writes to, else
// the customary one.
WindowSize OurWindowSize();

// Puts a terminal into raw mode (every key goes to the reader, nothing is echoed) and back when it
// is destroyed. Move-only.
class RawMode {
 public:
  static absl::StatusOr<RawMode> Enter(int fd);
  RawMode(RawMode&& other) noexcept;
  RawMode& operator=(RawMode&&) = delete;
  ~RawMode();

 private:
  RawMode(int fd, const termios& before) : fd_(fd), before_(before) {}

  int fd_;  // borrowed; -1 when moved away
  termios before_;
};

}  // namespace ember::cli
