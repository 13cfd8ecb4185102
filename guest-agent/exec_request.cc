#include "guest-agent/exec_request.h"

#include <unistd.h>

#include <string>

#include "base/status.h"
#include "base/status_macros.h"
#include "guest-agent/environment.h"
#include "guest-agent/input_gate.h"

namespace ember::agent {
namespace {

constexpr mode_t kUsualUmask = 022;
constexpr mode_t kMostUmask = 0777;

absl::Status Check(const v1::ExecStart& start) {
  if (start.argv().empty()) return InvalidArgument("ExecStart has no argv");
  if (!start.cwd().empty() && start.cwd().front() != '/') {
    return InvalidArgument("the working directory '{}' is not absolute", start.cwd());
  }
  if (start.umask() > kMostUmask) {
    return InvalidArgument("the umask {:#o} is over 0777", start.umask());
  }
  return start.has_tty() ? CheckSize(start.tty().rows(), start.tty().columns()) : absl::OkStatus();
}

}  // namespace

TerminalSize SizeOf(uint32_t rows, uint32_t columns) {
  TerminalSize size;
  if (rows != 0) size.rows = static_cast<uint16_t>(rows);
  if (columns != 0) size.columns = static_cast<uint16_t>(columns);
  return size;
}

absl::StatusOr<ProcessSpec> SpecOf(const v1::ExecStart& start) {
  RETURN_IF_ERROR(Check(start));
  ProcessSpec spec;
  spec.argv.assign(start.argv().begin(), start.argv().end());
  // Root in a VM; in a test or with the local backend whoever runs us.
  const std::string user = start.user().empty() ? std::to_string(geteuid()) : start.user();
  ASSIGN_OR_RETURN(spec.account, ResolveAccount(user, AccountFiles::Read()));

  std::optional<std::string_view> term;
  if (start.has_tty()) {
    spec.terminal = SizeOf(start.tty().rows(), start.tty().columns());
    term = start.tty().term();
    if (term->empty()) term = "xterm";
  }
  Environment environment = DefaultEnvironment(*spec.account, term);
  for (const auto& [name, value] : start.env()) environment[name] = value;
  ASSIGN_OR_RETURN(spec.env, ToWords(environment));
  spec.path = environment["PATH"];

  spec.umask = start.has_umask() ? start.umask() : kUsualUmask;
  ASSIGN_OR_RETURN(spec.limits, LimitsOf(start.limits()));
  if (start.cwd().empty()) {
    spec.folders = {spec.account->home, "/"};
  } else {
    spec.folders = {start.cwd()};
  }
  return spec;
}

v1::ExecExited ExitedOf(const ExitStatus& exit) {
  v1::ExecExited exited;
  if (exit.signal.has_value()) {
    exited.set_signal(static_cast<uint32_t>(*exit.signal));
  } else {
    exited.set_code(exit.code.value_or(0));
  }
  return exited;
}

ExitStatus ExitOf(const v1::ExecExited& exited) {
  ExitStatus exit;
  if (exited.how_case() == v1::ExecExited::kSignal) {
    exit.signal = static_cast<int>(exited.signal());
  } else {
    exit.code = exited.code();
  }
  return exit;
}

}  // namespace ember::agent
