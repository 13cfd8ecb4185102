#include <unistd.h>

#include <csignal>
#include <memory>

#include "base/status.h"
#include "base/status_macros.h"
#include "cli/commands/commands.h"
#include "cli/exec_call.h"
#include "cli/exit_code.h"
#include "cli/terminal.h"

// `ember logs` and `ember attach`: what a detached process writes.
namespace ember::cli {
namespace {

// So much of what was written before is shown to who attaches to a terminal, in bytes.
constexpr uint64_t kAttachTail = 8192;

absl::StatusOr<CallOutcome> Run(const v1::FollowStart& start, Invocation& invocation) {
  ::signal(SIGPIPE, SIG_IGN);
  // Before Connect: gRPC's threads must inherit the mask.
  ASSIGN_OR_RETURN(SignalQueue signals,
                   SignalQueue::Create({SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH}));
  ASSIGN_OR_RETURN(const auto client, invocation.Connect());
  return RunFollow(client->channel(), signals, start, [&invocation](uint64_t bytes) {
    invocation.Note(fmt::format("note: {} bytes of output were dropped", bytes));
  });
}

struct LogsOptions {
  std::string vm;
  std::string tag;
  bool follow = false;
  uint64_t tail = 0;  // bytes
};

absl::StatusOr<int> RunLogs(const LogsOptions& options, Invocation& invocation) {
  v1::FollowStart start;
  start.set_vm(options.vm);
  start.set_tag(options.tag);
  start.set_follow(options.follow);
  start.set_tail_bytes(options.tail);
  ASSIGN_OR_RETURN(const CallOutcome outcome, Run(start, invocation));
  // How the process ended is not how its log was read.
  return outcome.ended || !outcome.code.has_value() ? kDone : *outcome.code;
}

struct AttachOptions {
  std::string vm;
  std::string tag;
};

absl::StatusOr<int> RunAttach(const AttachOptions& options, Invocation& invocation) {
  v1::FollowStart start;
  start.set_vm(options.vm);
  start.set_tag(options.tag);
  start.set_attach(true);
  start.set_tail_bytes(kAttachTail);
  if (IsTerminal(STDIN_FILENO)) {
    const WindowSize size = OurWindowSize();
    start.mutable_tty()->set_rows(size.rows);
    start.mutable_tty()->set_columns(size.columns);
  }
  ASSIGN_OR_RETURN(const CallOutcome outcome, Run(start, invocation));
  if (outcome.code.has_value()) return *outcome.code;
  if (!outcome.detached) return Internal("the daemon ended the call before the process's end");
  invocation.Note(fmt::format("note: detached from '{}', which goes on", options.tag));
  return kDone;
}

}  // namespace

Action DefineLogs(Arguments& arguments) {
  auto options = std::make_shared<LogsOptions>();  // shared: the action outlives this call
  arguments.Positional("VM", options->vm, "The VM");
  arguments.Positional("TAG", options->tag, "The process, as 'ember ps' names it");
  arguments.Flag("-f,--follow", options->follow, "Go on with what it writes, up to its end");
  arguments.Size("--tail", options->tail,
                 "Only the last so many bytes (default: all that is kept)");
  return [options](Invocation& invocation) { return RunLogs(*options, invocation); };
}

Action DefineAttach(Arguments& arguments) {
  auto options = std::make_shared<AttachOptions>();  // shared: the action outlives this call
  arguments.Positional("VM", options->vm, "The VM");
  arguments.Positional("TAG", options->tag,
                       "The process; ctrl-p ctrl-q on its terminal leaves it running");
  return [options](Invocation& invocation) { return RunAttach(*options, invocation); };
}

}  // namespace ember::cli
