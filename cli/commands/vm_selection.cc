#include "cli/commands/vm_selection.h"

#include "base/status.h"
#include "base/status_macros.h"

namespace ember::cli {
namespace {

bool HasStopped(v1::VmState state) {
  return state == v1::CREATED || state == v1::STOPPED || state == v1::FAILED;
}

}  // namespace

absl::Status CheckSelection(const VmSelection& selection) {
  if (selection.all && !selection.name.empty()) {
    return InvalidArgument("'{}' and --all exclude each other", selection.name);
  }
  if (!selection.all && selection.name.empty()) return InvalidArgument("NAME or --all is missing");
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> SelectVms(Client& client, const VmSelection& selection,
                                                   AllMeans all_means) {
  RETURN_IF_ERROR(CheckSelection(selection));
  if (!selection.all) return std::vector<std::string>{selection.name};
  ASSIGN_OR_RETURN(const v1::ListVmsResponse list, client.ListVms());
  std::vector<std::string> names;
  for (const v1::Vm& vm : list.vms()) {
    if (all_means == AllMeans::kEvery || !HasStopped(vm.state())) names.push_back(vm.name());
  }
  return names;
}

}  // namespace ember::cli
