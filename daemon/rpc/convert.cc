#include "daemon/rpc/convert.h"

#include "base/status.h"
#include "daemon/rpc/timestamp.h"

namespace ember::daemon::rpc {
namespace {

v1::Kernel::Driver::Place ToProto(images::DriverPlace place) {
  switch (place) {
    case images::DriverPlace::kAbsent:
      return v1::Kernel::Driver::ABSENT;
    case images::DriverPlace::kBuiltIn:
      return v1::Kernel::Driver::BUILT_IN;
    case images::DriverPlace::kModule:
      return v1::Kernel::Driver::MODULE;
    case images::DriverPlace::kUnknown:
      return v1::Kernel::Driver::UNKNOWN;
  }
  return v1::Kernel::Driver::UNKNOWN;
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

v1::RestartPolicy ToProto(state::RestartPolicy policy) {
  switch (policy) {
    case state::RestartPolicy::kNo:
      return v1::NO;
    case state::RestartPolicy::kOnFailure:
      return v1::ON_FAILURE;
    case state::RestartPolicy::kAlways:
      return v1::ALWAYS;
  }
  return v1::RESTART_POLICY_UNSPECIFIED;
}

void Set(v1::AddressLease& proto, const state::AddressLease& lease) {
  proto.set_subnet(lease.subnet.ToString());
  proto.set_block_index(lease.block_index);
  proto.set_host_ip(lease.subnet.HostAddress(lease.block_index));
  proto.set_guest_ip(lease.subnet.GuestAddress(lease.block_index));
  proto.set_prefix_length(state::Subnet::kBlockPrefix);
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
  SetTimestamp(*proto.mutable_created_at(), record.created_at);
  if (record.started_at.has_value()) SetTimestamp(*proto.mutable_started_at(), *record.started_at);
  proto.set_boot_retries(record.boot_retries);
  proto.mutable_labels()->insert(record.config.labels.begin(), record.config.labels.end());
  proto.set_boot_args(record.config.boot_args);
  proto.set_restart_policy(ToProto(record.config.restart_policy));
  proto.set_restarts(record.restarts);
  if (vm.next_start_at.has_value()) SetTimestamp(*proto.mutable_next_start_at(), *vm.next_start_at);
  proto.set_remove_when_stopped(record.config.remove_when_stopped);
  if (record.expiry.has_value()) SetTimestamp(*proto.mutable_expires_at(), record.expiry->at);
  proto.set_autostart(record.config.autostart);
  if (vm.used_bytes.has_value()) proto.set_used_bytes(*vm.used_bytes);
  if (record.address.has_value()) Set(*proto.mutable_address(), *record.address);
  for (const state::VolumeAttachment& attachment : record.config.volumes) {
    v1::VolumeAttachment& volume = *proto.add_volumes();
    volume.set_volume(attachment.volume);
    volume.set_mount_path(attachment.mount_path);
    volume.set_read_only(attachment.read_only);
    volume.set_size_bytes(attachment.size_bytes);
  }
  if (record.parent.has_value()) proto.set_parent(record.parent->name);
  if (record.image.has_value()) {
    proto.set_image_id(record.image->id);
    proto.set_run_entrypoint(record.image->run_entrypoint);
  }
  return proto;
}

v1::Event ToProto(const state::Event& event) {
  v1::Event proto;
  proto.set_sequence(event.sequence);
  SetTimestamp(*proto.mutable_time(), event.time);
  proto.set_vm_name(event.vm_name);
  proto.set_vm_id(event.vm_id);
  proto.set_kind(event.kind);
  proto.set_state(ToProto(event.state));
  proto.set_message(event.message);
  return proto;
}

v1::Kernel ToProto(const images::KernelRecord& kernel, const std::vector<std::string>& used_by) {
  v1::Kernel proto;
  proto.set_name(kernel.name);
  proto.set_version(kernel.version);
  proto.set_path(kernel.vmlinux.native());
  proto.set_initramfs(kernel.initramfs.native());
  proto.set_is_default(kernel.is_default);
  proto.set_source(kernel.source);
  proto.set_pvh(kernel.pvh);
  for (const images::KernelDriver& driver : kernel.drivers) {
    v1::Kernel::Driver* added = proto.add_drivers();
    added->set_name(driver.name);
    added->set_place(ToProto(driver.place));
  }
  proto.mutable_missing()->Add(kernel.missing.begin(), kernel.missing.end());
  SetTimestamp(*proto.mutable_created_at(), kernel.created_at);
  proto.mutable_used_by()->Add(used_by.begin(), used_by.end());
  return proto;
}

v1::Progress ToProto(const images::Progress& progress) {
  v1::Progress proto;
  proto.set_stage(progress.stage);
  proto.set_message(progress.message);
  proto.set_done(progress.done);
  proto.set_total(progress.total);
  proto.set_item(progress.item);
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

v1::Anomaly ToProto(const Anomaly& anomaly) {
  v1::Anomaly proto;
  proto.set_kind(anomaly.kind);
  proto.mutable_vm_names()->Add(anomaly.vm_names.begin(), anomaly.vm_names.end());
  proto.set_message(anomaly.message);
  proto.set_remedy(anomaly.remedy);
  proto.set_repairable(anomaly.repairable);
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

state::RestartPolicy FromProto(v1::RestartPolicy policy) {
  switch (policy) {
    case v1::ON_FAILURE:
      return state::RestartPolicy::kOnFailure;
    case v1::ALWAYS:
      return state::RestartPolicy::kAlways;
    default:
      return state::RestartPolicy::kNo;
  }
}

std::optional<state::VmState> FromProto(v1::VmState state) {
  for (const state::VmState known : state::kAllVmStates) {
    if (ToProto(known) == state) return known;
  }
  return std::nullopt;
}

VmUpdate FromProto(const v1::UpdateVmRequest& request) {
  VmUpdate update;
  if (request.has_vcpus()) update.vcpus = request.vcpus();
  if (request.has_memory_mib()) update.memory_mib = request.memory_mib();
  if (request.has_kernel()) update.kernel = request.kernel();
  if (request.has_boot_args()) update.boot_args = request.boot_args();
  update.set_labels.insert(request.set_labels().begin(), request.set_labels().end());
  update.remove_labels.assign(request.remove_labels().begin(), request.remove_labels().end());
  if (request.restart_policy() != v1::RESTART_POLICY_UNSPECIFIED)
    update.restart_policy = FromProto(request.restart_policy());
  if (request.has_autostart()) update.autostart = request.autostart();
  return update;
}

VmFilter FromProto(const v1::ListVmsRequest& request) {
  VmFilter filter;
  filter.labels.insert(request.labels().begin(), request.labels().end());
  for (const int state : request.states()) {
    if (const auto known = FromProto(static_cast<v1::VmState>(state)); known.has_value())
      filter.states.push_back(*known);
  }
  return filter;
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
  spec.boot_args = request.boot_args();
  spec.restart_policy = FromProto(request.restart_policy());
  spec.remove_when_stopped = request.remove_when_stopped();
  spec.autostart = request.autostart();
  for (const v1::VolumeAttachment& volume : request.volumes()) {
    spec.volumes.push_back(
        {volume.volume(), volume.mount_path(), volume.read_only(), volume.size_bytes()});
  }
  spec.run_entrypoint = request.run_entrypoint();
  if (request.has_ttl()) spec.ttl = absl::Trunc(FromProto(request.ttl()), absl::Seconds(1));
  spec.start = !request.no_start();
  if (request.has_agent_wait()) spec.agent_wait = FromProto(request.agent_wait());
  return spec;
}

FollowRequest FromProto(const v1::FollowStart& start) {
  FollowRequest request;
  request.vm_name = start.vm();
  request.tag = start.tag();
  request.follow = start.follow();
  request.attach = start.attach();
  request.tail_bytes = start.tail_bytes();
  if (start.has_tty()) request.tty = TerminalSize{start.tty().rows(), start.tty().columns()};
  return request;
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
    if (start.has_detach()) return InvalidArgument("exec: a detached process has no time-out");
  }
  if (start.has_umask()) {
    if (start.umask() > 0777)
      return InvalidArgument("exec: the umask {:#o} is over 0777", start.umask());
    command.umask = start.umask();
  }
  for (const v1::ResourceLimit& limit : start.limits()) {
    command.limits.push_back({limit.name(), limit.soft(), limit.hard()});
  }
  if (start.has_detach()) command.detach = start.detach().tag();
  return command;
}

}  // namespace ember::daemon::rpc
