#pragma once

#include <cstddef>
#include <filesystem>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

// The console of a machine: a file that the hypervisor only appends to (O_APPEND), so that it can
// be cut short under its hands. What is cut off is kept once, in `<path>.1`.
namespace ember::daemon {

// The most that console.log holds after a trim, and console.log.1 at any time.
inline constexpr size_t kConsoleLimit = 1 << 20;

// When the console is over kConsoleLimit: keeps its last kConsoleLimit bytes as `<path>.1` and
// empties it. What the guest prints between the two steps is lost. An absent file is OK. Blocks on
// the disk.
absl::Status TrimConsole(const std::filesystem::path& path);

// Forgets the console: the next one to write begins anew.
void RemoveConsole(const std::filesystem::path& path);

// The last `bytes` bytes of what is kept, oldest first; fewer when there are fewer. An absent file
// is an empty console.
absl::StatusOr<std::string> ConsoleTail(const std::filesystem::path& path, size_t bytes);

// The same, and where in the file it ends: whoever reads on from there misses and repeats nothing.
struct ConsoleEnd {
  std::string tail;
  size_t offset = 0;  // in `path`; 0 when it is absent
};
absl::StatusOr<ConsoleEnd> ConsoleTailAndEnd(const std::filesystem::path& path, size_t bytes);

// The last `lines` lines, control characters but tabs removed: for error messages.
std::string LastConsoleLines(const std::filesystem::path& path, int lines);

}  // namespace ember::daemon
