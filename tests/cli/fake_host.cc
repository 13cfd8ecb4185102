#include "tests/cli/fake_host.h"

#include <unistd.h>

#include <ctime>

#include "base/cancellation.h"
#include "base/size.h"
#include "tests/cli/fake_exec.h"

namespace ember::testing {
namespace {

constexpr auto kPatience = std::chrono::seconds(10);

grpc::Status Fail(grpc::ServerContext* context, grpc::StatusCode code, const std::string& message,
                  const v1::ErrorDetail& detail) {
  context->AddTrailingMetadata("ember-error-detail-bin", detail.SerializeAsString());
  return {code, message};
}

// The block that belongs to the VM's CID.
void Lease(v1::Vm& vm) {
  v1::AddressLease& lease = *vm.mutable_address();
  lease.set_subnet("10.100.0.0/16");
  lease.set_block_index(vm.guest_cid() - 3);
  lease.set_host_ip("10.100.0." + std::to_string(4 * lease.block_index() + 1));
  lease.set_guest_ip("10.100.0." + std::to_string(4 * lease.block_index() + 2));
  lease.set_prefix_length(30);
}

void Wait() { (void)Cancellation().Pause(absl::Milliseconds(2), "fake host"); }

}  // namespace

FakeHost::~FakeHost() {
  if (server_ != nullptr) server_->Shutdown(std::chrono::system_clock::now());
}

void FakeHost::Start(const std::filesystem::path& socket) {
  socket_ = socket.string();
  grpc::ServerBuilder builder;
  builder.AddListeningPort("unix:" + socket_, grpc::InsecureServerCredentials());
  builder.RegisterService(this);
  builder.RegisterService(&processes_);
  builder.RegisterService(&files_);
  builder.RegisterService(&forwards_);
  builder.RegisterService(&care_);
  builder.RegisterService(&fake_images_);
  builder.RegisterService(&storage_);
  server_ = builder.BuildAndStart();
}

void FakeHost::FailNext(grpc::StatusCode code, const std::string& message, v1::ErrorDetail detail) {
  OnHost([&] { return failure_ = Failure{code, message, detail}, 0; });
}
v1::CreateVmRequest FakeHost::last_create() {
  return OnHost([this] { return last_create_; });
}
v1::BuildImageRequest FakeHost::last_build() {
  return OnHost([this] { return last_build_; });
}

v1::DeleteImageRequest FakeHost::last_image_delete() {
  return OnHost([this] { return last_image_delete_; });
}

v1::ExecStart FakeHost::last_exec() {
  return OnHost([this] { return last_exec_; });
}
void FakeHost::ReportPid(int pid) {
  OnHost([&] { return reported_pid_ = pid, 0; });
}
bool FakeHost::AwaitSlowCreate() {
  return slow_create_.get_future().wait_for(kPatience) == std::future_status::ready;
}
bool FakeHost::AwaitCancelledCreate() {
  return cancelled_create_.get_future().wait_for(kPatience) == std::future_status::ready;
}
void FakeHost::Add(const v1::Vm& vm) {
  OnHost([&] { return vms_[vm.name()] = vm, 0; });
}

grpc::Status FakeHost::TakeFailure(Context* context) {
  const auto failure = OnHost([this] { return std::exchange(failure_, std::nullopt); });
  if (!failure.has_value()) return grpc::Status::OK;
  const v1::ErrorDetail& detail = failure->detail;
  if (detail.reason().empty() && detail.hint().empty()) return {failure->code, failure->message};
  return Fail(context, failure->code, failure->message, detail);
}

grpc::Status FakeHost::NoSuchVm(Context* context, const std::string& name) {
  v1::ErrorDetail detail;
  detail.set_reason("VM_NOT_FOUND");
  detail.set_hint("ember vm list");
  return Fail(context, grpc::NOT_FOUND, "vm '" + name + "' does not exist", detail);
}

v1::Event& FakeHost::AddEvent(const v1::Vm& vm, const std::string& kind) {
  v1::Event& event = events_.emplace_back();
  event.set_sequence(events_.size());
  event.mutable_time()->set_seconds(1795500000);
  event.set_vm_name(vm.name());
  event.set_kind(kind);
  event.set_state(vm.state());
  return event;
}

v1::Vm FakeHost::MarkStarted(v1::Vm& vm) {
  vm.set_state(v1::RUNNING);
  vm.set_agent(vm.image() == "deaf" ? v1::WAITING : v1::READY);
  vm.set_pid(4711);
  AddEvent(vm, "running");
  return vm;
}

void FakeHost::BlockUntilCancelled(Context* context) {
  slow_create_.set_value();
  while (!context->IsCancelled()) Wait();
  cancelled_create_.set_value();
}

grpc::Status FakeHost::GetHost(Context* context, const v1::GetHostRequest*, v1::Host* host) {
  if (auto failure = TakeFailure(context); !failure.ok()) return failure;
  host->set_version("9.8.7");
  host->set_pid(OnHost([this] { return reported_pid_; }).value_or(::getpid()));
  host->set_socket_path(socket_);
  host->set_host_cpus(2);
  host->set_host_memory_mib(4096);
  host->set_default_backend("qemu");
  host->set_memory_limit_mib(3276);
  host->set_subnet("10.100.0.0/16");
  OnHost([&] {
    host->set_last_event_sequence(events_.size());
    for (const auto& [name, vm] : vms_) {
      const uint64_t memory_mib = vm.state() == v1::RUNNING ? vm.memory_mib() : 0;
      host->set_memory_used_mib(host->memory_used_mib() + memory_mib);
    }
    return 0;
  });
  return grpc::Status::OK;
}

grpc::Status FakeHost::Doctor(Context* context, const v1::DoctorRequest*,
                              v1::DoctorReport* report) {
  if (auto failure = TakeFailure(context); !failure.ok()) return failure;
  v1::DoctorCheck* good = report->add_checks();
  good->set_name("qemu");
  good->set_finding("version 7.2");
  v1::DoctorCheck* bad = report->add_checks();
  bad->set_name("kernel");
  bad->set_verdict(v1::DoctorCheck::PROBLEM);
  bad->set_finding("there is no kernel");
  bad->set_remedy("ember kernel add debian");
  return grpc::Status::OK;
}

grpc::Status FakeHost::CreateVm(Context* context, const v1::CreateVmRequest* request, v1::Vm* vm) {
  if (auto failure = TakeFailure(context); !failure.ok()) return failure;
  OnHost([&] { return last_create_ = *request, 0; });
  if (request->image() == "slow") {
    BlockUntilCancelled(context);
    return grpc::Status::CANCELLED;
  }
  const bool added = OnHost([&] {
    if (vms_.count(request->name()) != 0) return false;
    v1::Vm& made = vms_[request->name()];
    made.set_name(request->name());
    made.set_id("id-of-" + request->name());
    made.set_state(v1::CREATED);
    made.set_image(request->image());
    made.set_backend("qemu");
    made.set_vcpus(request->vcpus() == 0 ? 1 : request->vcpus());
    made.set_memory_mib(request->memory_mib() == 0 ? 512 : request->memory_mib());
    made.set_disk_bytes(request->disk_bytes() == 0 ? 8 * kGiB : request->disk_bytes());
    made.set_used_bytes(uint64_t{12} << 20);
    made.set_guest_cid(3);
    made.set_vsock_path("/run/vsock.sock");
    made.mutable_created_at()->set_seconds(1795500000);
    *made.mutable_labels() = request->labels();
    made.set_kernel(request->kernel());
    made.set_boot_args(request->boot_args());
    const bool unspecified = request->restart_policy() == v1::RESTART_POLICY_UNSPECIFIED;
    made.set_restart_policy(unspecified ? v1::NO : request->restart_policy());
    made.set_remove_when_stopped(request->remove_when_stopped());
    made.set_autostart(request->autostart());
    if (request->has_ttl()) {
      made.mutable_expires_at()->set_seconds(::time(nullptr) + request->ttl().seconds());
    }
    Lease(made);
    AddEvent(made, "created");
    if (!request->no_start()) MarkStarted(made);
    *vm = made;
    return true;
  });
  if (added) return grpc::Status::OK;
  v1::ErrorDetail detail;
  detail.set_reason("VM_EXISTS");
  detail.set_hint("ember vm delete " + request->name());
  return Fail(context, grpc::ALREADY_EXISTS, "vm '" + request->name() + "' exists", detail);
}

grpc::Status FakeHost::StartVm(Context* context, const v1::StartVmRequest* request, v1::Vm* vm) {
  const bool found = OnHost([&] {
    const auto known = vms_.find(request->name());
    if (known == vms_.end()) return false;
    *vm = MarkStarted(known->second);
    return true;
  });
  return found ? grpc::Status::OK : NoSuchVm(context, request->name());
}

grpc::Status FakeHost::StopVm(Context* context, const v1::StopVmRequest* request, v1::Vm* vm) {
  if (auto failure = TakeFailure(context); !failure.ok()) return failure;
  const bool found = OnHost([&] {
    const auto known = vms_.find(request->name());
    if (known == vms_.end()) return false;
    known->second.set_state(v1::STOPPED);
    known->second.set_agent(v1::AGENT_STATE_UNSPECIFIED);
    known->second.set_pid(0);
    AddEvent(known->second, "stopped");
    *vm = known->second;
    if (vm->remove_when_stopped()) {
      AddEvent(*vm, "deleted");
      vms_.erase(known);
    }
    return true;
  });
  return found ? grpc::Status::OK : NoSuchVm(context, request->name());
}

grpc::Status FakeHost::DeleteVm(Context* context, const v1::DeleteVmRequest* request,
                                v1::DeleteVmResponse*) {
  enum class Answer { kDeleted, kMissing, kRunning };
  const Answer answer = OnHost([&] {
    const auto known = vms_.find(request->name());
    if (known == vms_.end()) return Answer::kMissing;
    if (known->second.state() == v1::RUNNING && !request->force()) return Answer::kRunning;
    AddEvent(known->second, "deleted");
    vms_.erase(known);
    return Answer::kDeleted;
  });
  if (answer == Answer::kMissing) return NoSuchVm(context, request->name());
  if (answer == Answer::kDeleted) return grpc::Status::OK;
  v1::ErrorDetail detail;
  detail.set_hint("ember vm delete " + request->name() + " --force");
  return Fail(context, grpc::FAILED_PRECONDITION, "vm '" + request->name() + "' is running",
              detail);
}

grpc::Status FakeHost::GetVm(Context* context, const v1::GetVmRequest* request, v1::Vm* vm) {
  if (auto failure = TakeFailure(context); !failure.ok()) return failure;
  const bool found = OnHost([&] {
    const auto known = vms_.find(request->name());
    if (known != vms_.end()) *vm = known->second;
    return known != vms_.end();
  });
  return found ? grpc::Status::OK : NoSuchVm(context, request->name());
}

grpc::Status FakeHost::WaitVm(Context* context, const v1::WaitVmRequest* request, v1::Vm* vm) {
  while (!context->IsCancelled()) {
    v1::GetVmRequest get;
    get.set_name(request->name());
    if (auto status = GetVm(context, &get, vm); !status.ok()) return status;
    const bool agent = request->condition() == v1::WaitVmRequest::AGENT_READY;
    if (agent ? vm->agent() == v1::READY : vm->state() == v1::STOPPED) return grpc::Status::OK;
    Wait();
  }
  return grpc::Status::CANCELLED;
}

grpc::Status FakeHost::Console(Context* context, const v1::ConsoleRequest* request,
                               grpc::ServerWriter<v1::ConsoleChunk>* writer) {
  v1::ConsoleChunk chunk;
  const std::string log = "Linux \x1b[1mbooted\x1b[0m\nlogin: ";
  const size_t tail = request->tail_bytes() == 0 ? log.size() : request->tail_bytes();
  chunk.set_text(log.substr(log.size() - std::min(tail, log.size())));
  writer->Write(chunk);
  while (request->follow() && !context->IsCancelled()) Wait();
  return grpc::Status::OK;
}

grpc::Status FakeHost::Exec(Context* context,
                            grpc::ServerReaderWriter<v1::ExecResponse, v1::ExecRequest>* stream) {
  v1::ExecRequest first;
  if (!stream->Read(&first) || !first.has_start()) return {grpc::INVALID_ARGUMENT, "no start"};
  const v1::ExecStart& start = first.start();
  const bool found = OnHost([&] {
    last_exec_ = start;
    return vms_.count(start.vm()) != 0;
  });
  if (!found) return NoSuchVm(context, start.vm());
  const FakeExecFailure failure = RunFakeExec(start, *context, *stream);
  if (failure.code == grpc::OK) return grpc::Status::OK;
  v1::ErrorDetail detail;
  detail.set_reason(failure.reason);
  return Fail(context, failure.code, failure.message, detail);
}

grpc::Status FakeHost::WatchEvents(Context* context, const v1::WatchEventsRequest* request,
                                   grpc::ServerWriter<v1::Event>* writer) {
  uint64_t after = request->after_sequence();
  if (after == 0 && !request->from_oldest()) after = OnHost([this] { return events_.size(); });
  while (!context->IsCancelled()) {
    const auto next = OnHost([&]() -> std::optional<v1::Event> {
      if (after >= events_.size()) return std::nullopt;
      return events_[after];
    });
    if (!next.has_value()) {
      Wait();
      continue;
    }
    after = next->sequence();
    const bool wanted = request->vm_name().empty() || request->vm_name() == next->vm_name();
    if (wanted) writer->Write(*next);
  }
  return grpc::Status::OK;
}

grpc::Status FakeHost::ImportImage(Context* context, const v1::ImportImageRequest* request,
                                   grpc::ServerWriter<v1::ImageProgress>* writer) {
  v1::BuildImageRequest build;
  build.set_name(request->name());
  build.set_from("tar:" + request->path());
  build.set_size_bytes(request->size_bytes());
  return BuildImage(context, &build, writer);
}

grpc::Status FakeHost::BuildImage(Context* context, const v1::BuildImageRequest* request,
                                  grpc::ServerWriter<v1::ImageProgress>* writer) {
  if (auto failure = TakeFailure(context); !failure.ok()) return failure;
  v1::ImageProgress step;
  step.mutable_progress()->set_stage("unpacking");
  step.mutable_progress()->set_message(std::to_string(request->packages_size()) + " packages");
  writer->Write(step);
  v1::Image& image = *step.mutable_result();
  image.set_name(request->name());
  image.set_source(request->from());
  image.set_size_bytes(request->size_bytes() == 0 ? 64 * kMiB : request->size_bytes());
  OnHost([&] { return last_build_ = *request, images_[image.name()] = image, 0; });
  writer->Write(step);
  return grpc::Status::OK;
}

grpc::Status FakeHost::ListImages(Context*, const v1::ListImagesRequest*,
                                  v1::ListImagesResponse* response) {
  OnHost([&] {
    for (const auto& [name, image] : images_) *response->add_images() = image;
    return 0;
  });
  return grpc::Status::OK;
}

grpc::Status FakeHost::GetImage(Context*, const v1::GetImageRequest* request, v1::Image* image) {
  const bool found = OnHost([&] {
    const auto known = images_.find(request->name());
    if (known != images_.end()) *image = known->second;
    return known != images_.end();
  });
  return found ? grpc::Status::OK : grpc::Status(grpc::NOT_FOUND, "no such image");
}

grpc::Status FakeHost::DeleteImage(Context*, const v1::DeleteImageRequest* request,
                                   v1::DeleteImageResponse*) {
  const size_t erased = OnHost([&] {
    last_image_delete_ = *request;
    return images_.erase(request->name());
  });
  return erased == 1 ? grpc::Status::OK : grpc::Status(grpc::NOT_FOUND, "no such image");
}

grpc::Status FakeHost::AddKernel(Context* context, const v1::AddKernelRequest* request,
                                 grpc::ServerWriter<v1::KernelProgress>* writer) {
  if (auto failure = TakeFailure(context); !failure.ok()) return failure;
  v1::KernelProgress step;
  v1::Kernel& kernel = *step.mutable_result();
  kernel.set_name(request->name().empty() ? "debian" : request->name());
  kernel.set_path(request->source());
  kernel.set_is_default(true);
  OnHost([&] { return kernels_[kernel.name()] = kernel, 0; });
  writer->Write(step);
  return grpc::Status::OK;
}

grpc::Status FakeHost::ListKernels(Context*, const v1::ListKernelsRequest*,
                                   v1::ListKernelsResponse* response) {
  OnHost([&] {
    for (const auto& [name, kernel] : kernels_) *response->add_kernels() = kernel;
    return 0;
  });
  return grpc::Status::OK;
}

grpc::Status FakeHost::DeleteKernel(Context*, const v1::DeleteKernelRequest* request,
                                    v1::DeleteKernelResponse*) {
  const size_t erased = OnHost([&] { return kernels_.erase(request->name()); });
  return erased == 1 ? grpc::Status::OK : grpc::Status(grpc::NOT_FOUND, "no such kernel");
}

}  // namespace ember::testing
