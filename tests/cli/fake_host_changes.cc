// The verbs of FakeHost that change a VM that is there.
#include "absl/strings/ascii.h"
#include "tests/cli/fake_host.h"

namespace ember::testing {
namespace {

bool IsOff(const v1::Vm& vm) {
  return vm.state() == v1::CREATED || vm.state() == v1::STOPPED || vm.state() == v1::FAILED;
}

bool ChangesNothing(const v1::UpdateVmRequest& request) {
  v1::UpdateVmRequest nothing;
  nothing.set_name(request.name());
  return request.SerializeAsString() == nothing.SerializeAsString();
}

void Apply(const v1::UpdateVmRequest& request, v1::Vm& vm) {
  if (request.has_vcpus()) vm.set_vcpus(request.vcpus());
  if (request.has_memory_mib()) vm.set_memory_mib(request.memory_mib());
  if (request.has_kernel()) vm.set_kernel(request.kernel());
  if (request.has_boot_args()) vm.set_boot_args(request.boot_args());
  for (const auto& [key, value] : request.set_labels()) (*vm.mutable_labels())[key] = value;
  for (const std::string& key : request.remove_labels()) vm.mutable_labels()->erase(key);
  if (request.restart_policy() != v1::RESTART_POLICY_UNSPECIFIED) {
    vm.set_restart_policy(request.restart_policy());
  }
  if (request.has_autostart()) vm.set_autostart(request.autostart());
}

}  // namespace

v1::RestartVmRequest FakeHost::last_restart() {
  return OnHost([this] { return last_restart_; });
}

FakeHost::Failure FakeHost::WrongState(const v1::Vm& vm, const std::string& verb,
                                       const std::string& hint) {
  Failure failure{grpc::FAILED_PRECONDITION,
                  "vm '" + vm.name() + "' is " +
                      absl::AsciiStrToLower(v1::VmState_Name(vm.state())) + ": can't " + verb +
                      " it",
                  {}};
  failure.detail.set_reason("WRONG_STATE");
  failure.detail.set_hint(hint + " " + vm.name());
  return failure;
}

grpc::Status FakeHost::ChangeVm(Context* context, const std::string& name, v1::Vm* answer,
                                const std::function<std::optional<Failure>(v1::Vm&)>& change) {
  if (auto failure = TakeFailure(context); !failure.ok()) return failure;
  std::optional<Failure> refusal;
  const bool found = OnHost([&] {
    const auto known = vms_.find(name);
    if (known == vms_.end()) return false;
    *answer = known->second;
    refusal = change(*answer);
    if (refusal.has_value()) return true;
    vms_.erase(known);
    vms_[answer->name()] = *answer;
    return true;
  });
  if (!found) return NoSuchVm(context, name);
  if (!refusal.has_value()) return grpc::Status::OK;
  context->AddTrailingMetadata("ember-error-detail-bin", refusal->detail.SerializeAsString());
  return {refusal->code, refusal->message};
}

grpc::Status FakeHost::RestartVm(Context* context, const v1::RestartVmRequest* request,
                                 v1::Vm* vm) {
  return ChangeVm(context, request->name(), vm, [&](v1::Vm& known) -> std::optional<Failure> {
    last_restart_ = *request;
    if (!IsOff(known)) AddEvent(known, "stopped");
    MarkStarted(known);
    return std::nullopt;
  });
}

grpc::Status FakeHost::PauseVm(Context* context, const v1::PauseVmRequest* request, v1::Vm* vm) {
  return ChangeVm(context, request->name(), vm, [this](v1::Vm& known) -> std::optional<Failure> {
    if (known.state() != v1::RUNNING) return WrongState(known, "pause", "ember vm start");
    known.set_state(v1::PAUSED);
    AddEvent(known, "paused");
    return std::nullopt;
  });
}

grpc::Status FakeHost::ResumeVm(Context* context, const v1::ResumeVmRequest* request, v1::Vm* vm) {
  return ChangeVm(context, request->name(), vm, [this](v1::Vm& known) -> std::optional<Failure> {
    if (known.state() != v1::PAUSED) return WrongState(known, "resume", "ember vm pause");
    known.set_state(v1::RUNNING);
    AddEvent(known, "resumed");
    return std::nullopt;
  });
}

grpc::Status FakeHost::RenameVm(Context* context, const v1::RenameVmRequest* request, v1::Vm* vm) {
  const std::string& name = request->new_name();
  return ChangeVm(context, request->name(), vm, [&](v1::Vm& known) -> std::optional<Failure> {
    if (!IsOff(known)) return WrongState(known, "rename", "ember vm stop");
    if (vms_.count(name) != 0) return Failure{grpc::ALREADY_EXISTS, "vm '" + name + "' exists", {}};
    known.set_name(name);
    AddEvent(known, "renamed");
    return std::nullopt;
  });
}

grpc::Status FakeHost::UpdateVm(Context* context, const v1::UpdateVmRequest* request, v1::Vm* vm) {
  if (ChangesNothing(*request)) return {grpc::INVALID_ARGUMENT, "nothing to change"};
  return ChangeVm(context, request->name(), vm, [&](v1::Vm& known) -> std::optional<Failure> {
    if (!IsOff(known)) return WrongState(known, "update", "ember vm stop");
    Apply(*request, known);
    AddEvent(known, "updated");
    return std::nullopt;
  });
}

}  // namespace ember::testing
