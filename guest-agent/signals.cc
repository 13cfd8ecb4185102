#include "guest-agent/signals.h"

#include <signal.h>
#include <sys/signalfd.h>

#include <cerrno>
#include <utility>

#include "base/status.h"
#include "base/status_macros.h"

namespace ember::agent {

absl::StatusOr<std::unique_ptr<Signals>> Signals::Create(EventLoop& loop,
                                                         std::initializer_list<int> numbers,
                                                         std::function<void(int)> received) {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : numbers) sigaddset(&set, number);
  if (sigprocmask(SIG_BLOCK, &set, nullptr) != 0) return ErrnoStatus(errno, "sigprocmask");
  UniqueFd fd(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd.valid()) return ErrnoStatus(errno, "signalfd");
  std::unique_ptr<Signals> signals(new Signals(loop, std::move(fd), std::move(received)));
  RETURN_IF_ERROR(loop.Watch(signals->fd_.get(), EPOLLIN, [s = signals.get()](uint32_t) {
    signalfd_siginfo info;
    while (read(s->fd_.get(), &info, sizeof(info)) == sizeof(info)) {
      s->received_(static_cast<int>(info.ssi_signo));
    }
  }));
  return signals;
}

Signals::~Signals() { loop_.Forget(fd_.get()); }

}  // namespace ember::agent
