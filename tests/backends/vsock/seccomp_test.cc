#include "backends/vsock/seccomp.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <functional>

#include "tests/support/status_matchers.h"

namespace ember::vsock {
namespace {

// The signal that ends a process which has the filter and does `work`; 0 when it gets through.
int SignalOf(const SeccompFilter& filter, const std::function<void()>& work) {
  const pid_t pid = fork();
  if (pid == 0) {
    if (!filter.Install().ok()) _exit(1);
    work();
    _exit(0);
  }
  int status = 0;
  REQUIRE(waitpid(pid, &status, 0) == pid);
  CHECK((WIFSIGNALED(status) || WEXITSTATUS(status) == 0));
  return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

TEST_CASE("a worker can do its work and nothing else", "[vsock][seccomp]") {
#ifdef EMBER_SANITIZED
  EMBER_SKIP("sanitizers make calls of their own, the filter is off");
#endif
  const SeccompFilter filter = WorkerFilter();
  CHECK(SignalOf(filter, [] { socket(AF_UNIX, SOCK_STREAM, 0); }) == 0);
  CHECK(SignalOf(filter, [] { socket(AF_INET, SOCK_STREAM, 0); }) == SIGSYS);
  CHECK(SignalOf(filter, [] { open("/etc/passwd", O_RDONLY); }) == SIGSYS);
  CHECK(SignalOf(filter, [] { execl("/bin/true", "true", nullptr); }) == SIGSYS);
  CHECK(SignalOf(filter, [] { fork(); }) == SIGSYS);
  CHECK(SignalOf(filter, [] { kill(1, 0); }) == SIGSYS);
  CHECK(SignalOf(filter, [] {
          mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        }) == SIGSYS);
}

TEST_CASE("a keeper can fork and wait, but run no program", "[vsock][seccomp]") {
#ifdef EMBER_SANITIZED
  EMBER_SKIP("sanitizers make calls of their own, the filter is off");
#endif
  const SeccompFilter filter = KeeperFilter();
  CHECK(SignalOf(filter, [] {
          const pid_t pid = fork();
          if (pid == 0) _exit(0);
          waitpid(pid, nullptr, 0);
        }) == 0);
  CHECK(SignalOf(filter, [] { execl("/bin/true", "true", nullptr); }) == SIGSYS);
  CHECK(SignalOf(filter, [] { socket(AF_INET, SOCK_STREAM, 0); }) == SIGSYS);
}

}  // namespace
}  // namespace ember::vsock
