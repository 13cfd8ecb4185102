// The fake daemon as a program of its own, for `ember daemon start` and `stop`. Understands
// --listen unix:PATH and --die; ends on SIGTERM.
#include <csignal>
#include <cstdio>
#include <string_view>

#include "tests/cli/fake_host.h"

int main(int argc, char** argv) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  ember::testing::FakeHost host;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--die") return std::fprintf(stderr, "state.db is corrupt\n"), 3;
    if (word == "--listen" && i + 1 < argc) {
      host.Start(std::string(std::string_view(argv[i + 1]).substr(5)));
    }
  }
  int signal = 0;
  return sigwait(&set, &signal);
}
