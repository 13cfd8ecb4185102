#pragma once

#include <sys/resource.h>

#include <csignal>

#include "base/check.h"

namespace ember::testing {

// While it lives no file of this process can be written (RLIMIT_FSIZE): what a full disk does.
// Sockets and pipes go on. Use in a process whose output is not a file.
class FullDisk {
 public:
  FullDisk() {
    std::signal(SIGXFSZ, SIG_IGN);
    EMBER_CHECK(getrlimit(RLIMIT_FSIZE, &before_) == 0);
    const rlimit none{0, before_.rlim_max};
    EMBER_CHECK(setrlimit(RLIMIT_FSIZE, &none) == 0);
  }
  FullDisk(const FullDisk&) = delete;
  FullDisk& operator=(const FullDisk&) = delete;
  ~FullDisk() { setrlimit(RLIMIT_FSIZE, &before_); }

 private:
  rlimit before_{};
};

}  // namespace ember::testing
