#include "daemon/rpc/convert.h"

#include "base/status.h"

namespace ember::daemon::rpc {
namespace {

void Set(google::protobuf::Timestamp& timestamp, absl::Time time) {
  const int64_t seconds = absl::ToUnixSeconds(time);
  timestamp.set_seconds(seconds);
  timestamp.set_nanos(
      static_cast<int32_t>(absl::ToInt64Nanoseconds(time - absl::FromUnixSeconds(seconds))));
}

v1::VmState ToProto(state::VmState state) {
  switch (state) {
    case state::VmState::kCreating:
      return v1::CREATING;
    case state::VmState::kCreated:
      return v1::CREATED;
    case state::VmState::kStarting:
      return v1::STARTING;
    case state::VmState::kRunning:
      return v1::RUNNING;
    case state::VmState::kPaused:
      return v1::PAUSED;
    case state::VmState::kStopping:
      return v1::STOPPING;
    case state::VmState::kStopped:
      return v1::STOPPED;
    case state::VmState::kFailed:
      return v1::FAILED;
    case state::VmState::kDeleting:
      return v1::DELETING;
  }
  return v1::VM_STATE_UNSPECIFIED;
}

v1::AgentState ToProto(AgentState agent) {
  switch (agent) {
    case AgentState::kNone:
      return v1::AGENT_STATE_UNSPECIFIED;
    case AgentState::kWaiting:
      return v1::WAITING;
    case AgentState::kReady:
      return v1::READY;
    case AgentState::kLost:
      return v1::LOST;
  }
  return v1::AGENT_STATE_UNSPECIFIED;
}

v1::DoctorCheck::Verdict ToProto(DoctorVerdict verdict) {
  switch (verdict) {
    case DoctorVerdict::kOk:
      return v1::DoctorCheck::OK;
    case DoctorVerdict::kWarning:
      return v1::DoctorCheck::WARNING;
    case DoctorVerdict::kProblem:
      return v1::DoctorCheck::PROBLEM;
  }
  return v1::DoctorCheck::PROBLEM;
}

}  // namespace

v1::Vm ToProto(const VmView& vm) {
  const state::VmRecord& record = vm.record;
  v1::Vm proto;
  proto.set_name(record.name);
  proto.set_id(record.id);
  proto.set_state(ToProto(record.state));
  proto.set_agent(ToProto(vm.agent));
  proto.set_state_reason(record.state_reason);
  proto.set_image(record.config.image);
  proto.set_kernel(record.config.kernel);
  proto.set_backend(record.config.backend);
  proto.set_vcpus(record.config.vcpus);
  proto.set_memory_mib(record.config.memory_mib);
  proto.set_disk_bytes(record.config.disk_bytes);
  proto.set_guest_cid(record.guest_cid);
  proto.set_vsock_path(vm.vsock_path.native());
  proto.set_disk_path(record.disk.path);
  proto.set_kernel_path(vm.kernel_path.native());
  proto.set_console_path(vm.console_path.native());
  if (record.machine.has_value()) {
    proto.set_pid(record.machine->process.pid);
    proto.set_accelerator(record.machine->accelerator);
  }
  Set(*proto.mutable_created_at(), record.created_at);
  if (record.started_at.has_value()) Set(*proto.mutable_started_at(), *record.started_at);
  proto.set_boot_retries(record.boot_retries);
  proto.mutable_labels()->insert(record.config.labels.begin(), record.config.labels.end());
  return proto;
}

v1::Event ToProto(const state::Event& event) {
  v1::Event proto;
  proto.set_sequence(event.sequence);
  Set(*proto.mutable_time(), event.time);
  proto.set_vm_name(event.vm_name);
  proto.set_vm_id(event.vm_id);
  proto.set_kind(event.kind);
  proto.set_state(ToProto(event.state));
  proto.set_message(event.message);
  return proto;
}

v1::Image ToProto(const images::ImageRecord& image, const std::vector<std::string>& used_by) {
  v1::Image proto;
  proto.set_name(image.name);
  proto.set_source(image.source);
  proto.set_digest(image.digest);
  proto.set_size_bytes(image.size_bytes);
  proto.set_disk_bytes(image.disk_bytes);
  proto.set_path(image.rootfs.native());
  Set(*proto.mutable_created_at(), image.created_at);
  proto.mutable_used_by()->Add(used_by.begin(), used_by.end());
  return proto;
}

v1::Kernel ToProto(const images::KernelRecord& kernel, const std::vector<std::string>& used_by) {
  v1::Kernel proto;
  proto.set_name(kernel.name);
  proto.set_version(kernel.version);
  proto.set_path(kernel.vmlinux.native());
  proto.set_initramfs(kernel.initramfs.native());
  proto.set_is_default(kernel.is_default);
  Set(*proto.mutable_created_at(), kernel.created_at);
  proto.mutable_used_by()->Add(used_by.begin(), used_by.end());
  return proto;
}

v1::Progress ToProto(const images::Progress& progress) {
  v1::Progress proto;
  proto.set_stage(progress.stage);
  proto.set_message(progress.message);
  proto.set_done(progress.done);
  proto.set_total(progress.total);
  return proto;
}

v1::DoctorCheck ToProto(const DoctorCheck& check) {
  v1::DoctorCheck proto;
  proto.set_name(check.name);
  proto.set_verdict(ToProto(check.verdict));
  proto.set_finding(check.finding);
  proto.set_remedy(check.remedy);
  return proto;
}

v1::ExecExited ToProto(const ExecResult& result) {
  v1::ExecExited proto;
  if (result.signal.has_value()) {
    proto.set_signal(static_cast<uint32_t>(*result.signal));
  } else {
    proto.set_code(result.code.value_or(0));
  }
  proto.set_timed_out(result.timed_out);
  return proto;
}

absl::Duration FromProto(const google::protobuf::Duration& duration) {
  return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
}

CreateVmSpec FromProto(const v1::CreateVmRequest& request) {
  CreateVmSpec spec;
  spec.request_id = request.request_id();
  spec.name = request.name();
  spec.image = request.image();
  spec.kernel = request.kernel();
  spec.backend = request.backend();
  spec.init = request.init() == v1::CreateVmRequest::AGENT ? "agent" : "auto";
  spec.vcpus = request.vcpus();
  spec.memory_mib = request.memory_mib();
  spec.disk_bytes = request.disk_bytes();
  spec.labels.insert(request.labels().begin(), request.labels().end());
  spec.start = !request.no_start();
  if (request.has_agent_wait()) spec.agent_wait = FromProto(request.agent_wait());
  return spec;
}

absl::StatusOr<ExecCommand> FromProto(const v1::ExecStart& start) {
  if (start.argv().empty() || start.argv(0).empty())
    return InvalidArgument("exec: no command was given");
  ExecCommand command;
  command.vm_name = start.vm();
  command.argv.assign(start.argv().begin(), start.argv().end());
  command.env.insert(start.env().begin(), start.env().end());
  command.cwd = start.cwd();
  command.user = start.user();
  if (start.has_tty()) command.tty = TerminalSize{start.tty().rows(), start.tty().columns()};
  command.term = start.term();
  if (start.has_timeout()) {
    command.timeout = FromProto(start.timeout());
    if (*command.timeout <= absl::ZeroDuration())
      return InvalidArgument("exec: the time-out must be longer than 0");
  }
  return command;
}

}  // namespace ember::daemon::rpc
