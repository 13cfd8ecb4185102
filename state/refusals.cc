#include "state/refusals.h"

#include "base/status.h"

namespace ember::state {

absl::Status NoSuchVm(std::string_view key, std::string_view value) {
  const absl::Status status =
      WithHint(NotFound("vm '{}' not found", value), "list the VMs there are: ember vm list");
  return WithMetadata(WithReason(status, "VM_NOT_FOUND"), key, value);
}

absl::Status NameTaken(std::string_view name, const NameHolder& holder) {
  const absl::Status status =
      holder.name == name
          ? WithHint(
                AlreadyExists("vm '{}' already exists", name),
                fmt::format("choose another name, or delete it first: ember vm delete {}", name))
          : WithHint(AlreadyExists("vm '{}' is being renamed to '{}'", name, holder.name),
                     "choose another name, or try again when that is done: ember vm list");
  return WithMetadata(WithReason(status, "VM_EXISTS"), "vm", holder.name);
}

absl::Status RequestIdReused(const VmRecord& holder) {
  const absl::Status status =
      WithHint(AlreadyExists("request id '{}' was used to create vm '{}' from another request",
                             holder.request_id, holder.name),
               "use a new request id for a new request");
  return WithMetadata(WithReason(status, "REQUEST_ID_REUSED"), "vm", holder.name);
}

absl::Status RenameUnderWay(const VmRecord& vm) {
  const absl::Status status =
      WithHint(FailedPrecondition("vm '{}' is being renamed to '{}'", vm.dir_name, vm.name),
               "try again when that is done: ember vm list");
  return WithMetadata(WithReason(status, "WRONG_STATE"), "vm", vm.name);
}

}  // namespace ember::state
