// The armed half of base/fault_point.h, in the place of the one that does nothing. What happens is
// told by the environment:
//
//   EMBER_FAULT=<name>=<what>   what: KILL, or an error's word (see ErrorFor)
//   EMBER_FAULT_PASS=<n>        at the n-th time that the point is passed, from 1 (default)
//   EMBER_FAULT_GATE=<file>     counts only while this file exists; unset: always
//   EMBER_FAULT_HITS=<file>     gets one byte when it happens
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <string>

#include "base/fault_point.h"
#include "base/status.h"

namespace ember {
namespace {

std::string FromEnvironment(const char* variable) {
  const char* value = std::getenv(variable);
  return value == nullptr ? "" : value;
}

struct Armed {
  std::string name;
  std::string what;
  int pass = 1;
  std::string gate;
  std::string hits;
};

const Armed& TheFault() {
  static const Armed* const kArmed = [] {
    auto* armed = new Armed;
    const std::string fault = FromEnvironment("EMBER_FAULT");
    armed->name = fault.substr(0, fault.find('='));
    armed->what = fault.substr(std::min(fault.size(), armed->name.size() + 1));
    const std::string pass = FromEnvironment("EMBER_FAULT_PASS");
    if (!pass.empty()) armed->pass = std::stoi(pass);
    armed->gate = FromEnvironment("EMBER_FAULT_GATE");
    armed->hits = FromEnvironment("EMBER_FAULT_HITS");
    return armed;
  }();
  return *kArmed;
}

// True when this pass is the one; it is on record then.
bool IsNow(std::string_view name) {
  static std::atomic<int> passes{0};
  const Armed& fault = TheFault();
  if (name != fault.name) return false;
  if (!fault.gate.empty() && access(fault.gate.c_str(), F_OK) != 0) return false;
  if (++passes != fault.pass) return false;
  const int fd = open(fault.hits.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (fd >= 0) {
    [[maybe_unused]] const ssize_t written = write(fd, "x", 1);
    close(fd);
  }
  if (fault.what == "KILL") kill(getpid(), SIGKILL);
  return true;
}

absl::Status ErrorFor(const std::string& what, std::string_view name) {
  if (what == "ENOSPC") return ErrnoStatus(ENOSPC, name);
  if (what == "EIO") return ErrnoStatus(EIO, name);
  if (what == "EMFILE") return ErrnoStatus(EMFILE, name);
  // As state/database.cc translates SQLite's codes.
  if (what == "SQLITE_FULL") return ResourceExhausted("{}: database or disk is full", name);
  if (what == "SQLITE_BUSY") return Unavailable("{}: database is locked", name);
  return Unavailable("{}: the hypervisor did not start", name);
}

}  // namespace

void CrashPoint(std::string_view name) { IsNow(name); }

absl::Status FaultPoint(std::string_view name) {
  return IsNow(name) ? ErrorFor(TheFault().what, name) : absl::OkStatus();
}

}  // namespace ember
