#include "cli/exec_call.h"

#include <charconv>
#include <csignal>
#include <cstdlib>
#include <memory>

#include "base/status.h"
#include "base/status_macros.h"
#include "cli/commands/commands.h"
#include "cli/duration.h"
#include "cli/exit_code.h"
#include "cli/proto_duration.h"
#include "cli/resource_limit.h"
#include "cli/terminal.h"

namespace ember::cli {
namespace {

struct Options {
  std::string vm;
  std::string user;
  std::string cwd;
  std::vector<std::string> env;
  std::optional<absl::Duration> timeout;
  bool tty = false;
  bool no_stdin = false;
  std::string umask;
  std::vector<std::string> limits;
  bool detach = false;
  std::string tag;
  std::vector<std::string> command;
};

// "KEY=VALUE", or "KEY" for what it is here (nothing when it is not set here).
absl::Status AddVariables(const std::vector<std::string>& env, v1::ExecStart& start) {
  for (const std::string& text : env) {
    const size_t equals = text.find('=');
    const std::string key = text.substr(0, equals);
    if (key.empty()) return InvalidArgument("--env '{}' is not KEY=VALUE", text);
    if (equals != std::string::npos) {
      (*start.mutable_env())[key] = text.substr(equals + 1);
    } else if (const char* value = std::getenv(key.c_str()); value != nullptr) {
      (*start.mutable_env())[key] = value;
    }
  }
  return absl::OkStatus();
}

void AddTerminal(v1::ExecStart& start) {
  const WindowSize size = OurWindowSize();
  start.mutable_tty()->set_rows(size.rows);
  start.mutable_tty()->set_columns(size.columns);
  if (const char* term = std::getenv("TERM"); term != nullptr) start.set_term(term);
}

absl::StatusOr<uint32_t> ParseUmask(const std::string& text) {
  uint32_t umask = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), umask, 8);
  if (error == std::errc() && end == text.data() + text.size() && umask <= 0777) return umask;
  return InvalidArgument("--umask '{}' is not an octal number from 0 to 777, such as 027", text);
}

absl::Status AddDetach(const Options& options, v1::ExecStart& start) {
  if (!options.detach) {
    return options.tag.empty() ? absl::OkStatus() : InvalidArgument("--tag is only for --detach");
  }
  if (options.timeout.has_value()) {
    return InvalidArgument("--timeout and --detach exclude each other");
  }
  start.mutable_detach()->set_tag(options.tag);
  return absl::OkStatus();
}

absl::StatusOr<v1::ExecStart> StartOf(const Options& options) {
  v1::ExecStart start;
  start.set_vm(options.vm);
  start.set_user(options.user);
  start.set_cwd(options.cwd);
  if (options.command.size() == 1) {  // a line for the shell, as it is
    start.add_argv("/bin/sh");
    start.add_argv("-c");
  }
  for (const std::string& argument : options.command) start.add_argv(argument);
  RETURN_IF_ERROR(AddVariables(options.env, start));
  if (options.timeout.has_value()) {
    if (*options.timeout <= absl::ZeroDuration()) {
      return InvalidArgument("--timeout must be greater than zero");
    }
    *start.mutable_timeout() = ToProto(*options.timeout);
  }
  if (!options.umask.empty()) {
    ASSIGN_OR_RETURN(const uint32_t umask, ParseUmask(options.umask));
    start.set_umask(umask);
  }
  for (const std::string& text : options.limits) {
    ASSIGN_OR_RETURN(*start.add_limits(), ParseResourceLimit(text));
  }
  RETURN_IF_ERROR(AddDetach(options, start));
  if (options.tty) AddTerminal(start);
  return start;
}

absl::StatusOr<int> Run(const Options& options, Invocation& invocation) {
  ASSIGN_OR_RETURN(const v1::ExecStart start, StartOf(options));
  ::signal(SIGPIPE, SIG_IGN);
  // Before Connect: gRPC's threads must inherit the mask.
  ASSIGN_OR_RETURN(SignalQueue signals,
                   SignalQueue::Create({SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH}));
  ASSIGN_OR_RETURN(const auto client, invocation.Connect());
  ASSIGN_OR_RETURN(const CallOutcome outcome,
                   RunExec(client->channel(), signals, start,
                           options.no_stdin ? ExecInput::kNone : ExecInput::kForward));
  if (!outcome.code.has_value()) {
    invocation.Print(outcome.tag + "\n");
    return kDone;
  }
  const int code = *outcome.code;
  if (code == kExecTimedOut && options.timeout.has_value()) {
    invocation.Note(fmt::format("vm '{}': the command was killed after {}", options.vm,
                                FormatElapsed(*options.timeout)));
  }
  return code;
}

}  // namespace

Action DefineExec(Arguments& arguments) {
  auto options = std::make_shared<Options>();  // shared: the action outlives this call
  arguments.Positional("VM", options->vm, "Where to run it");
  arguments.Text("--user", "USER", options->user, "Run it as this user of the guest");
  arguments.Repeated("--env", "KEY=VALUE", options->env,
                     "Set a variable, or with KEY alone pass ours on (repeatable)");
  arguments.Text("--cwd", "DIR", options->cwd, "Run it in this directory of the guest");
  arguments.Duration("--timeout", options->timeout, "Kill it after this; the exit code is 124");
  arguments.Flag("-t,--tty", options->tty, "Give it a terminal");
  arguments.Flag("--no-stdin", options->no_stdin, "Give it no input");
  arguments.Text("--umask", "MASK", options->umask, "Its umask, octal (default 022)");
  arguments.Repeated("--ulimit", "NAME=SOFT[:HARD]", options->limits,
                     "A resource limit, such as nofile=1024:4096 or core=unlimited (repeatable)");
  arguments.Flag("-d,--detach", options->detach,
                 "Print its tag once it runs and leave it running (see ps, logs, attach, kill)");
  arguments.Text("--tag", "TAG", options->tag, "With --detach: its tag (default: one is made up)");
  arguments.Rest("CMD…", options->command,
                 "One argument is a line for /bin/sh, several are a program and its arguments");
  return [options](Invocation& invocation) { return Run(*options, invocation); };
}

}  // namespace ember::cli
