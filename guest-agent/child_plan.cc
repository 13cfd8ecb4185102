#include "guest-agent/child_plan.h"

#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

// The code here runs on a borrowed stack in its parent's address space.
#define EMBER_BARE __attribute__((no_sanitize("address", "undefined", "thread")))

namespace ember::agent {
namespace {

[[noreturn]] EMBER_BARE void Fail(ChildPlan& plan, ChildStep step, int error) {
  plan.error = error;
  plan.failed = step;
  _exit(127);
}

// The raw calls: glibc's wrappers would signal the threads of a process that we only borrow.
EMBER_BARE bool ChangeUser(const ChildPlan& plan) {
  if (plan.change_groups && syscall(SYS_setgroups, plan.group_count, plan.groups) != 0) {
    return false;
  }
  return syscall(SYS_setresgid, plan.gid, plan.gid, plan.gid) == 0 &&
         syscall(SYS_setresuid, plan.uid, plan.uid, plan.uid) == 0;
}

EMBER_BARE bool SetLimits(ChildPlan& plan) {
  for (size_t i = 0; i < plan.limit_count; ++i) {
    plan.failed_limit = i;
    if (setrlimit(static_cast<__rlimit_resource>(plan.limits[i].resource), &plan.limits[i].value) !=
        0) {
      return false;
    }
  }
  return true;
}

// Gives up the agent's OomProtection. Lowering oneself can't fail.
EMBER_BARE void GiveUpProtection(const ChildPlan& plan) {
  if (plan.oom_score == nullptr) return;
  const int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  size_t size = 0;
  while (plan.oom_score[size] != '\0') ++size;
  const ssize_t written = write(fd, plan.oom_score, size);
  (void)written;  // as the agent did before it could not
  close(fd);
}

EMBER_BARE bool EnterFolder(const ChildPlan& plan) {
  if (plan.folders[0] == nullptr) return true;
  for (char* const* folder = plan.folders; *folder != nullptr; ++folder) {
    if (chdir(*folder) == 0) return true;
  }
  return false;
}

// As execvpe(3) searches: a program that is not there or may not be used is passed over, and the
// latter is what is reported if nothing else is found.
[[noreturn]] EMBER_BARE void Execute(ChildPlan& plan) {
  int denied = 0;
  for (char* const* program = plan.programs; *program != nullptr; ++program) {
    execve(*program, plan.argv, plan.env);
    const int error = errno;
    if (error == ENOENT && faccessat(AT_FDCWD, *program, F_OK, 0) == 0) {
      Fail(plan, ChildStep::kInterpreter, error);
    }
    if (error == EACCES) {
      denied = error;
    } else if (error != ENOENT && error != ENOTDIR) {
      Fail(plan, ChildStep::kExec, error);
    }
  }
  Fail(plan, ChildStep::kExec, denied != 0 ? denied : ENOENT);
}

}  // namespace

EMBER_BARE int RunChild(void* argument) {
  ChildPlan& plan = *static_cast<ChildPlan*>(argument);
  setsid();
  if (plan.terminal && ioctl(plan.streams[0], TIOCSCTTY, 0) != 0) {
    Fail(plan, ChildStep::kTerminal, errno);
  }
  for (int i = 0; i < 3; ++i) {
    if (dup2(plan.streams[i], i) < 0) Fail(plan, ChildStep::kStreams, errno);
  }
  // Lowering what we raised can't fail.
  setrlimit(RLIMIT_NOFILE, &plan.files);
  GiveUpProtection(plan);
  if (!SetLimits(plan)) Fail(plan, ChildStep::kLimit, errno);
  if (plan.change_umask) umask(plan.umask);
  if (plan.change_user && !ChangeUser(plan)) Fail(plan, ChildStep::kUser, errno);
  if (!EnterFolder(plan)) Fail(plan, ChildStep::kFolder, errno);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  Execute(plan);
}

}  // namespace ember::agent
