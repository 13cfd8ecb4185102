#include <signal.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdio>

#include "base/status.h"
#include "daemon/options.h"
#include "daemon/server.h"
#include "daemon/spdlog_log.h"

namespace {

// Blocks the signals that end us, for this thread and all that it starts: main waits for them.
sigset_t BlockEndSignals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  signal(SIGPIPE, SIG_IGN);
  return set;
}

// A session is a descriptor, and the usual soft limit allows a thousand.
void RaiseDescriptorLimit() {
  constexpr rlim_t kDescriptors = 65536;
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = std::max(limit.rlim_cur, std::min(limit.rlim_max, kDescriptors));
  setrlimit(RLIMIT_NOFILE, &limit);  // without it fewer sessions at once, nothing else
}

}  // namespace

int main(int argc, char** argv) {
  const ember::daemon::ParsedCommandLine parsed = ember::daemon::ParseCommandLine(argc, argv);
  if (!parsed.options.has_value()) {
    std::fputs(parsed.text.c_str(), parsed.exit_code == 0 ? stdout : stderr);
    return parsed.exit_code;
  }
  RaiseDescriptorLimit();
  const sigset_t end_signals = BlockEndSignals();
  const ember::Log log = ember::daemon::MakeSpdlogLog(parsed.options->log_level);
  auto server = ember::daemon::Server::Start(*parsed.options, log);
  if (!server.ok()) {
    const std::string message(ember::Message(server.status()));
    std::fprintf(stderr, "error: %s\n", message.c_str());
    if (const auto hint = ember::HintOf(server.status()); hint.has_value()) {
      std::fprintf(stderr, "hint: %s\n", hint->c_str());
    }
    return 1;
  }
  int signal_number = 0;
  sigwait(&end_signals, &signal_number);
  log.Info("shutting down", {{"signal", fmt::format("{}", signal_number)}});
  if (!(*server)->Shutdown()) {
    log.Warn("some work was not settled in time; the next start finishes it");
    std::fflush(stderr);
    _exit(0);
  }
  log.Info("stopped");
  return 0;
}
