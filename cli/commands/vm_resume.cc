#include <memory>

#include "base/status_macros.h"
#include "cli/commands/commands.h"
#include "cli/commands/vm_text.h"
#include "cli/exit_code.h"
#include "cli/json.h"

namespace ember::cli {

Action DefineVmResume(Arguments& arguments) {
  auto name = std::make_shared<std::string>();  // shared: the action outlives this call
  arguments.Positional("NAME", *name, "The VM");
  return [name](Invocation& invocation) -> absl::StatusOr<int> {
    v1::ResumeVmRequest request;
    request.set_name(*name);
    ASSIGN_OR_RETURN(const auto client, invocation.Connect());
    const absl::Time start = absl::Now();
    Progress progress(invocation.progress_style());
    progress.Step("resuming vm '" + *name + "'");
    ASSIGN_OR_RETURN(const v1::Vm vm, client->ResumeVm(request, {.progress = &progress}));
    progress.Clear();
    NoteOutcome(invocation, vm, AgentWait::kSkipped, absl::Now() - start);
    invocation.Print(invocation.format() == Format::kJson ? JsonText(vm) : vm.name() + "\n");
    return kDone;
  };
}

}  // namespace ember::cli
