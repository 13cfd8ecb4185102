#include "guest-agent/exec_request.h"

#include <unistd.h>

#include <string>

#include "base/status_macros.h"
#include "guest-agent/environment.h"

namespace ember::agent {

TerminalSize SizeOf(uint32_t rows, uint32_t columns) {
  TerminalSize size;
  if (rows != 0) size.rows = static_cast<uint16_t>(rows);
  if (columns != 0) size.columns = static_cast<uint16_t>(columns);
  return size;
}

absl::StatusOr<ProcessSpec> SpecOf(const v1::ExecStart& start) {
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

  if (start.cwd().empty()) {
    spec.folders = {spec.account->home, "/"};
  } else {
    spec.folders = {start.cwd()};
  }
  return spec;
}

}  // namespace ember::agent
