#include <memory>

#include "base/status_macros.h"
#include "cli/commands/anomaly_text.h"
#include "cli/commands/commands.h"
#include "cli/commands/vm_filter.h"
#include "cli/commands/vm_text.h"
#include "cli/exit_code.h"
#include "cli/json.h"

namespace ember::cli {
namespace {

struct Options {
  std::vector<std::string> filters;
  std::vector<std::string> statuses;
};

absl::StatusOr<int> Run(const Options& options, Invocation& invocation) {
  ASSIGN_OR_RETURN(const v1::ListVmsRequest request,
                   ListRequestOf(options.filters, options.statuses));
  ASSIGN_OR_RETURN(const auto client, invocation.Connect());
  ASSIGN_OR_RETURN(const v1::ListVmsResponse list, client->ListVms(request));
  const bool json = invocation.format() == Format::kJson;
  invocation.Print(json ? JsonText(list) : VmTableText(list));
  WarnOfAnomalies(invocation, list);
  return kDone;
}

}  // namespace

Action DefineVmList(Arguments& arguments) {
  auto options = std::make_shared<Options>();  // shared: the action outlives this call
  arguments.Repeated("--filter", "FILTER", options->filters,
                     "label=KEY, label=KEY=VALUE or status=STATE (repeatable; a VM must have all "
                     "the labels and one of the states)");
  arguments.Repeated("--status", "STATE", options->statuses,
                     "Short for --filter status=STATE (repeatable)");
  return [options](Invocation& invocation) { return Run(*options, invocation); };
}

}  // namespace ember::cli
