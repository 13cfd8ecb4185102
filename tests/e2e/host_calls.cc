#include "tests/e2e/host_calls.h"

#include <chrono>
#include <utility>

#include "absl/synchronization/mutex.h"

namespace ember::testing {
namespace {

// The context of one call.
class Context {
 public:
  Context() { context_.set_deadline(std::chrono::system_clock::now() + std::chrono::minutes(1)); }
  grpc::ClientContext* operator&() { return &context_; }

 private:
  grpc::ClientContext context_;
};

v1::CreateVmRequest LocalVm(const std::string& name) {
  v1::CreateVmRequest request;
  request.set_name(name);
  request.set_backend("local");
  request.set_memory_mib(64);
  return request;
}

}  // namespace

HostCalls::HostCalls(const std::filesystem::path& socket) {
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);  // as in cli/client.cc
  grpc::ChannelArguments arguments;
  // Else all channels of this process would share one connection.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  stub_ = v1::HostService::NewStub(grpc::CreateCustomChannel(
      "unix:" + socket.native(), grpc::InsecureChannelCredentials(), arguments));
}

grpc::Status HostCalls::CreateIdle(const std::string& name) {
  v1::CreateVmRequest request = LocalVm(name);
  request.set_no_start(true);
  Context context;
  v1::Vm vm;
  return stub_->CreateVm(&context, request, &vm);
}

grpc::Status HostCalls::CreateLocal(const std::string& name) {
  Context context;
  v1::Vm vm;
  return stub_->CreateVm(&context, LocalVm(name), &vm);
}

grpc::Status HostCalls::Start(const std::string& name) {
  v1::StartVmRequest request;
  request.set_name(name);
  Context context;
  v1::Vm vm;
  return stub_->StartVm(&context, request, &vm);
}

grpc::Status HostCalls::Stop(const std::string& name) {
  v1::StopVmRequest request;
  request.set_name(name);
  Context context;
  v1::Vm vm;
  return stub_->StopVm(&context, request, &vm);
}

grpc::Status HostCalls::Delete(const std::string& name, bool force) {
  v1::DeleteVmRequest request;
  request.set_name(name);
  request.set_force(force);
  Context context;
  v1::DeleteVmResponse response;
  return stub_->DeleteVm(&context, request, &response);
}

grpc::Status HostCalls::Get(const std::string& name, v1::Vm& vm) {
  v1::GetVmRequest request;
  request.set_name(name);
  Context context;
  return stub_->GetVm(&context, request, &vm);
}

grpc::Status HostCalls::List(std::vector<v1::Vm>& vms) {
  Context context;
  v1::ListVmsResponse response;
  grpc::Status status = stub_->ListVms(&context, {}, &response);
  vms.assign(response.vms().begin(), response.vms().end());
  return status;
}

grpc::Status HostCalls::Check(std::vector<v1::Anomaly>& anomalies) {
  Context context;
  v1::CheckHostResponse response;
  grpc::Status status = stub_->CheckHost(&context, {}, &response);
  anomalies.assign(response.anomalies().begin(), response.anomalies().end());
  return status;
}

grpc::Status HostCalls::Exec(const std::string& vm, const std::vector<std::string>& argv,
                             int& code) {
  Context context;
  auto stream = stub_->Exec(&context);
  v1::ExecRequest request;
  request.mutable_start()->set_vm(vm);
  request.mutable_start()->mutable_argv()->Assign(argv.begin(), argv.end());
  stream->Write(request);
  request.set_stdin_end(true);
  stream->Write(request);
  stream->WritesDone();
  v1::ExecResponse response;
  while (stream->Read(&response)) {
    if (!response.has_exited()) continue;
    const v1::ExecExited& exited = response.exited();
    code = exited.has_code() ? exited.code() : -static_cast<int>(exited.signal());
  }
  return stream->Finish();
}

}  // namespace ember::testing
