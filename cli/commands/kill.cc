#include <memory>

#include "base/status_macros.h"
#include "cli/commands/commands.h"
#include "cli/exit_code.h"
#include "cli/process_calls.h"
#include "cli/signal_name.h"

namespace ember::cli {
namespace {

struct Options {
  std::string vm;
  std::string tag;
  std::string signal = "TERM";
  bool leader_only = false;
};

absl::StatusOr<int> Run(const Options& options, Invocation& invocation) {
  v1::SignalProcessRequest request;
  request.set_vm(options.vm);
  request.set_tag(options.tag);
  ASSIGN_OR_RETURN(const uint32_t signal, ParseSignal("--signal", options.signal));
  request.set_signal(signal);
  request.set_leader_only(options.leader_only);
  ASSIGN_OR_RETURN(const auto client, invocation.Connect());
  RETURN_IF_ERROR(SignalProcess(client->channel(), request));
  return kDone;
}

}  // namespace

Action DefineKill(Arguments& arguments) {
  auto options = std::make_shared<Options>();  // shared: the action outlives this call
  arguments.Positional("VM", options->vm, "The VM");
  arguments.Positional("TAG", options->tag, "The process, as 'ember ps' names it");
  arguments.Text("-s,--signal", "NAME", options->signal,
                 "The signal by name or number (default TERM)");
  arguments.Flag("--leader-only", options->leader_only,
                 "Only the process itself instead of its process group");
  return [options](Invocation& invocation) { return Run(*options, invocation); };
}

}  // namespace ember::cli
