#include "backends/vsock/seccomp.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>

#include "base/status.h"

namespace ember::vsock {
namespace {

#if defined(__x86_64__)
constexpr uint32_t kArchitecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr uint32_t kArchitecture = AUDIT_ARCH_AARCH64;
#else
#error "add the AUDIT_ARCH_ value of this architecture"
#endif

constexpr uint32_t kNumberOffset = offsetof(seccomp_data, nr);
constexpr uint32_t kLoad = BPF_LD | BPF_W | BPF_ABS;
constexpr uint32_t kIfEqual = BPF_JMP | BPF_JEQ | BPF_K;
constexpr uint32_t kAllBits = 0xffffffff;
constexpr uint32_t kReturn = BPF_RET | BPF_K;
// Namespaces that a clone could make. CLONE_NEWTIME lies in the byte of the exit signal, where
// clone(2) ignores it.
constexpr uint32_t kCloneNew = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |
                               CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;

sock_filter Step(uint32_t code, uint32_t value, uint8_t if_true = 0, uint8_t if_false = 0) {
  return {static_cast<uint16_t>(code), if_true, if_false, value};
}

}  // namespace

SeccompFilter::SeccompFilter() {
  program_ = {Step(kLoad, offsetof(seccomp_data, arch)), Step(kIfEqual, kArchitecture, 1, 0),
              Step(kReturn, SECCOMP_RET_KILL_PROCESS), Step(kLoad, kNumberOffset)};
}

SeccompFilter& SeccompFilter::Allow(std::initializer_list<long> calls) {
  for (const long call : calls) {
    program_.push_back(Step(kIfEqual, static_cast<uint32_t>(call), 0, 1));
    program_.push_back(Step(kReturn, SECCOMP_RET_ALLOW));
  }
  return *this;
}

SeccompFilter& SeccompFilter::AllowIf(long call, unsigned argument, uint32_t mask, uint32_t value) {
  // Little-endian: the lower half of an argument comes first.
  const uint32_t offset =
      static_cast<uint32_t>(offsetof(seccomp_data, args) + argument * sizeof(uint64_t));
  program_.push_back(Step(kIfEqual, static_cast<uint32_t>(call), 0, 5));
  program_.push_back(Step(kLoad, offset));
  program_.push_back(Step(BPF_ALU | BPF_AND | BPF_K, mask));
  program_.push_back(Step(kIfEqual, value, 0, 1));
  program_.push_back(Step(kReturn, SECCOMP_RET_ALLOW));
  program_.push_back(Step(kLoad, kNumberOffset));
  return *this;
}

absl::Status SeccompFilter::Install() const {
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return ErrnoStatus(errno, "no_new_privs");
#ifndef EMBER_SANITIZED
  std::vector<sock_filter> steps = program_;
  steps.push_back(Step(kReturn, SECCOMP_RET_KILL_PROCESS));
  const sock_fprog program{static_cast<uint16_t>(steps.size()), steps.data()};
  if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
    return ErrnoStatus(errno, "seccomp filter");
  }
#endif
  return absl::OkStatus();
}

SeccompFilter WorkerFilter() {
  SeccompFilter filter;
  // The calls of every packet come first.
  filter.Allow({__NR_epoll_pwait, __NR_read, __NR_write, __NR_readv, __NR_sendmsg, __NR_sendto,
                __NR_epoll_ctl, __NR_recvfrom, __NR_recvmsg, __NR_accept4, __NR_connect,
                __NR_shutdown, __NR_close, __NR_ppoll});
#ifdef __NR_epoll_wait  // not on newer architectures
  filter.Allow({__NR_epoll_wait, __NR_poll});
#endif
  // Memory and the C library.
  filter.Allow({__NR_munmap, __NR_mremap, __NR_brk, __NR_madvise, __NR_futex, __NR_getrandom,
                __NR_clock_gettime, __NR_newfstatat, __NR_fstat, __NR_restart_syscall,
                __NR_rt_sigreturn, __NR_exit, __NR_exit_group});
  // abort(): a signal to this process only
  filter.Allow({__NR_rt_sigprocmask, __NR_rt_sigaction, __NR_getpid, __NR_gettid});
  filter.AllowIf(__NR_tgkill, 0, kAllBits, static_cast<uint32_t>(getpid()));
  // Not F_SETOWN, which sends signals.
  filter.AllowIf(__NR_fcntl, 1, kAllBits, F_GETFL);
  filter.AllowIf(__NR_fcntl, 1, kAllBits, F_SETFL);
  filter.AllowIf(__NR_mmap, 2, PROT_EXEC, 0);
  filter.AllowIf(__NR_mprotect, 2, PROT_EXEC, 0);
  filter.AllowIf(__NR_socket, 0, kAllBits, AF_UNIX);
  return filter;
}

SeccompFilter KeeperFilter() {
  SeccompFilter filter = WorkerFilter();
  filter.AllowIf(__NR_clone, 0, kCloneNew, 0);
  filter.AllowIf(__NR_socketpair, 0, kAllBits, AF_UNIX);
  filter.Allow({__NR_set_robust_list, __NR_wait4, __NR_kill, __NR_tgkill, __NR_unlinkat});
#ifdef __NR_unlink
  filter.Allow({__NR_unlink});
#endif
  // A worker's first steps, before its own filter.
  filter.Allow({__NR_getppid, __NR_prctl, __NR_epoll_create1, __NR_eventfd2});
  return filter;
}

}  // namespace ember::vsock
