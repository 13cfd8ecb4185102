#include "daemon/rpc/host_service.h"

#include <unistd.h>

#include <utility>
#include <vector>

#include "base/status.h"
#include "daemon/rpc/console_reactor.h"
#include "daemon/rpc/convert.h"
#include "daemon/rpc/event_reactor.h"
#include "daemon/rpc/exec_reactor.h"
#include "daemon/rpc/unary_call.h"

namespace ember::daemon::rpc {
namespace {

constexpr absl::Duration kDoctorLimit = absl::Seconds(60);

absl::Duration AgentWait(bool given, const google::protobuf::Duration& wait) {
  return given ? FromProto(wait) : kDefaultAgentWait;
}

template <typename Request>
StopPlan StopPlanOf(const Request& request) {
  StopPlan plan;
  plan.force = request.force();
  if (request.has_grace()) plan.grace = FromProto(request.grace());
  return plan;
}

// A reply that fills a Vm message.
Reply<VmView> AnswerVm(UnaryCall& call, v1::Vm* response) {
  return call.Answer<VmView>([response](const VmView& vm) { *response = ToProto(vm); });
}

}  // namespace

HostService::HostService(Host& host, Catalog& catalog, const daemon::Doctor& doctor, EventLoop& io,
                         About about)
    : host_(host), catalog_(catalog), doctor_(doctor), io_(io), about_(std::move(about)) {}

HostService::Unary* HostService::GetHost(Context* context, const v1::GetHostRequest*,
                                         v1::Host* response) {
  auto* call = new UnaryCall(*context);
  host_.Summarize(call->Answer<Host::Summary>([this, response](const Host::Summary& summary) {
    response->set_version(EMBER_VERSION);
    response->set_installation_id(summary.installation_id);
    response->set_state_dir(host_.state_dir().native());
    response->set_socket_path(about_.socket_path);
    response->set_pid(getpid());
    response->mutable_started_at()->set_seconds(absl::ToUnixSeconds(about_.started_at));
    response->set_host_cpus(about_.host_cpus);
    response->set_host_memory_mib(about_.host_memory_mib);
    response->set_default_backend(about_.default_backend);
    if (auto kernel = catalog_.GetKernel(""); kernel.ok())
      response->set_default_kernel(kernel->name);
    response->set_vms(summary.vms);
    response->set_running_vms(summary.running_vms);
    response->set_last_event_sequence(summary.last_event);
    response->set_memory_limit_mib(summary.memory_limit_mib);
    response->set_memory_used_mib(summary.memory_used_mib);
    response->set_subnet(summary.subnet);
  }));
  return call;
}

HostService::Unary* HostService::Doctor(Context* context, const v1::DoctorRequest*,
                                        v1::DoctorReport* response) {
  auto* call = new UnaryCall(*context);
  auto reply =
      call->Answer<std::vector<DoctorCheck>>([response](const std::vector<DoctorCheck>& checks) {
        for (const DoctorCheck& check : checks) *response->add_checks() = ToProto(check);
      });
  catalog_.RunApart("doctor",
                    [this, cancellation = call->cancellation().Within(kDoctorLimit),
                     reply = std::move(reply)]() mutable { reply(doctor_.Examine(cancellation)); });
  return call;
}

HostService::Unary* HostService::CreateVm(Context* context, const v1::CreateVmRequest* request,
                                          v1::Vm* response) {
  auto* call = new UnaryCall(*context);
  CreateVmSpec spec = FromProto(*request);
  spec.owner_uid = geteuid();
  host_.CreateVm(std::move(spec), call->cancellation(), AnswerVm(*call, response));
  return call;
}

HostService::Unary* HostService::StartVm(Context* context, const v1::StartVmRequest* request,
                                         v1::Vm* response) {
  auto* call = new UnaryCall(*context);
  host_.StartVm(request->name(), AgentWait(request->has_agent_wait(), request->agent_wait()),
                call->cancellation(), AnswerVm(*call, response));
  return call;
}

HostService::Unary* HostService::StopVm(Context* context, const v1::StopVmRequest* request,
                                        v1::Vm* response) {
  auto* call = new UnaryCall(*context);
  host_.StopVm(request->name(), StopPlanOf(*request), AnswerVm(*call, response));
  return call;
}

HostService::Unary* HostService::RestartVm(Context* context, const v1::RestartVmRequest* request,
                                           v1::Vm* response) {
  auto* call = new UnaryCall(*context);
  host_.RestartVm(request->name(), StopPlanOf(*request),
                  AgentWait(request->has_agent_wait(), request->agent_wait()), call->cancellation(),
                  AnswerVm(*call, response));
  return call;
}

HostService::Unary* HostService::PauseVm(Context* context, const v1::PauseVmRequest* request,
                                         v1::Vm* response) {
  auto* call = new UnaryCall(*context);
  host_.PauseVm(request->name(), AnswerVm(*call, response));
  return call;
}

HostService::Unary* HostService::ResumeVm(Context* context, const v1::ResumeVmRequest* request,
                                          v1::Vm* response) {
  auto* call = new UnaryCall(*context);
  host_.ResumeVm(request->name(), AnswerVm(*call, response));
  return call;
}

HostService::Unary* HostService::RenameVm(Context* context, const v1::RenameVmRequest* request,
                                          v1::Vm* response) {
  auto* call = new UnaryCall(*context);
  host_.RenameVm(request->name(), request->new_name(), AnswerVm(*call, response));
  return call;
}

HostService::Unary* HostService::UpdateVm(Context* context, const v1::UpdateVmRequest* request,
                                          v1::Vm* response) {
  auto* call = new UnaryCall(*context);
  host_.UpdateVm(request->name(), FromProto(*request), AnswerVm(*call, response));
  return call;
}

HostService::Unary* HostService::CheckHost(Context* context, const v1::CheckHostRequest*,
                                           v1::CheckHostResponse* response) {
  auto* call = new UnaryCall(*context);
  host_.Check(HostCheck::Depth::kAll,
              call->Answer<std::vector<Anomaly>>([response](const std::vector<Anomaly>& found) {
                for (const Anomaly& anomaly : found) *response->add_anomalies() = ToProto(anomaly);
              }));
  return call;
}

HostService::Unary* HostService::RepairHost(Context* context, const v1::RepairHostRequest* request,
                                            v1::RepairHostResponse* response) {
  auto* call = new UnaryCall(*context);
  host_.Repair(request->dry_run() ? HostRepair::Mode::kDryRun : HostRepair::Mode::kRepair,
               call->Answer<std::vector<Repair>>([response](const std::vector<Repair>& repairs) {
                 for (const Repair& repair : repairs) {
                   auto& proto = *response->add_repairs();
                   *proto.mutable_anomaly() = ToProto(repair.anomaly);
                   proto.set_action(repair.action);
                   proto.set_error(repair.error);
                 }
               }));
  return call;
}

HostService::Unary* HostService::DeleteVm(Context* context, const v1::DeleteVmRequest* request,
                                          v1::DeleteVmResponse*) {
  auto* call = new UnaryCall(*context);
  host_.DeleteVm(request->name(),
                 request->force() ? Host::DeleteMode::kForce : Host::DeleteMode::kStoppedOnly,
                 call->Answer<Done>([](Done) {}));
  return call;
}

HostService::Unary* HostService::GetVm(Context* context, const v1::GetVmRequest* request,
                                       v1::Vm* response) {
  auto* call = new UnaryCall(*context);
  auto reply = call->Answer<std::vector<VmView>>([this, response](std::vector<VmView> vms) {
    VmView& vm = vms.front();
    if (auto kernel = catalog_.GetKernel(vm.record.config.kernel); kernel.ok())
      vm.kernel_path = kernel->vmlinux;
    *response = ToProto(vm);
  });
  host_.GetVm(request->name(), Reply<VmView>([this, reply = std::move(reply)](auto vm) mutable {
                if (!vm.ok()) return reply(vm.status());
                meter_.Measure({*std::move(vm)}, std::move(reply));
              }));
  return call;
}

// Goes on to `reply` with what the VMs' disks take.
Reply<std::vector<VmView>> HostService::Measured(Reply<std::vector<VmView>> reply) {
  return Reply<std::vector<VmView>>([this, reply = std::move(reply)](auto vms) mutable {
    if (!vms.ok()) return reply(vms.status());
    meter_.Measure(*std::move(vms), std::move(reply));
  });
}

// The list and the check of the host together; a check that can't run is told, not hidden.
HostService::Unary* HostService::ListVms(Context* context, const v1::ListVmsRequest* request,
                                         v1::ListVmsResponse* response) {
  auto* call = new UnaryCall(*context);
  auto reply = call->Answer<std::vector<VmView>>([response](const std::vector<VmView>& vms) {
    for (const VmView& vm : vms) *response->add_vms() = ToProto(vm);
  });
  host_.Check(HostCheck::Depth::kVms,
              Reply<std::vector<Anomaly>>([this, response, filter = FromProto(*request),
                                           reply = std::move(reply)](auto found) mutable {
                if (!found.ok()) response->set_check_error(std::string(Message(found.status())));
                for (const Anomaly& anomaly : found.value_or(std::vector<Anomaly>())) {
                  *response->add_anomalies() = ToProto(anomaly);
                }
                host_.ListVms(std::move(filter), Measured(std::move(reply)));
              }));
  return call;
}

HostService::Unary* HostService::WaitVm(Context* context, const v1::WaitVmRequest* request,
                                        v1::Vm* response) {
  auto* call = new UnaryCall(*context);
  const WaitCondition condition = request->condition() == v1::WaitVmRequest::STOPPED
                                      ? WaitCondition::kStopped
                                      : WaitCondition::kAgentReady;
  host_.WaitVm(request->name(), condition, call->cancellation(), AnswerVm(*call, response));
  return call;
}

grpc::ServerWriteReactor<v1::ConsoleChunk>* HostService::Console(
    Context* context, const v1::ConsoleRequest* request) {
  return NewConsoleReactor(host_, catalog_, *context, *request);
}

grpc::ServerBidiReactor<v1::ExecRequest, v1::ExecResponse>* HostService::Exec(Context* context) {
  return NewExecReactor(host_, io_, *context);
}

grpc::ServerWriteReactor<v1::Event>* HostService::WatchEvents(
    Context* context, const v1::WatchEventsRequest* request) {
  return NewEventReactor(host_, *context, *request);
}

}  // namespace ember::daemon::rpc
