#include "tests/daemon/host_context.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <fstream>
#include <system_error>
#include <utility>

#include "backends/images/file_digest.h"
#include "backends/images/image_index.h"
#include "backends/storage/overlay_store.h"
#include "base/check.h"
#include "base/file.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "tests/support/fake_backend.h"

namespace ember::daemon {
namespace {

// Waits at a gate, then copies.
class GatedVolumes final : public storage::VolumeStore {
 public:
  explicit GatedVolumes(FakeDisks& disks) : disks_(disks) {}

  std::string_view name() const override { return "gated"; }
  storage::CloneKind kind() const override { return storage::CloneKind::kReflink; }
  absl::StatusOr<storage::Volume> Clone(const std::filesystem::path& source,
                                        const storage::CloneTarget& target, uint64_t size_bytes,
                                        const Cancellation& cancellation) override {
    RETURN_IF_ERROR(disks_.gate.Pass(cancellation));
    if (disks_.fail) return ResourceExhausted("clone {}: no space", source.native());
    const std::filesystem::path path = target.dir / (target.stem + ".img");
    std::error_code full;
    std::filesystem::copy_file(source, path, full);
    if (!full) std::filesystem::resize_file(path, size_bytes, full);
    if (full) return ErrnoStatus(full.value(), path.native());
    return storage::Volume{path, storage::VolumeFormat::kRaw, size_bytes};
  }

 private:
  FakeDisks& disks_;
};

}  // namespace

HostContext::HostContext(Shape shape)
    : shape_(std::move(shape)),
      state_dir_(shape_.state_dir.empty() ? dir_ / "s" : dir_.path() / shape_.state_dir) {
  REQUIRE_OK(MakeDirectories(state_dir_ / "vms", 0700));
  Begin();
}

HostContext::~HostContext() {
  world.launch_gate.Open();
  world.kill_gate.Open();
  disks.gate.Open();
  End();
}

void HostContext::Begin(std::string boot_id) {
  io_ = testing::ValueOf(EventLoop::Create("io"));
  images_ = testing::ValueOf(images::ImageStore::Open(state_dir_ / "images"));
  kernels_ = testing::ValueOf(images::KernelStore::Open(state_dir_ / "kernels", dir_ / "emberd"));
  const Log log(LogLevel::kWarn, [this](const LogRecord&) { ++warnings; });
  catalog_ = std::make_unique<Catalog>(*images_, *kernels_, log);
  hypervisor::Capabilities capabilities;
  capabilities.needs_kernel = shape_.needs_kernel;
  capabilities.pause = shape_.pause;
  capabilities.qcow2_disks = shape_.overlays || shape_.best_store;
  capabilities.live_disks = shape_.live_disks || shape_.overlays || shape_.best_store;
  BackendMap backends;
  backends.emplace("fake", std::make_unique<testing::FakeBackend>(world, *io_, capabilities));
  VmCreator::Defaults defaults;
  defaults.backend = "fake";
  Host::Parts parts{.state_dir = state_dir_,
                    .host_boot_id = std::move(boot_id),
                    .store = OpenStore(),
                    .backends = std::move(backends),
                    .volumes = MakeVolumes(),
                    .catalog = *catalog_,
                    .io = *io_,
                    .log = log,
                    .limits = {4, kHostMemoryMib},
                    .defaults = std::move(defaults),
                    .memory_limit_percent = shape_.memory_limit_percent,
                    .boot_sign_limit = shape_.boot_sign_limit,
                    .clocks = clocks.View(),
                    .periods = shape_.periods};
  io_->Start();
  host_ = std::make_unique<Host>(std::move(parts));
  Awaited<Done> recovered;
  host_->Recover(recovered.reply());
  REQUIRE_OK(Answer(recovered));
}

std::unique_ptr<storage::VolumeStore> HostContext::MakeVolumes() {
  if (shape_.best_store) {
    return testing::ValueOf(storage::ChooseVolumeStore(state_dir_ / "images", state_dir_ / "vms"));
  }
  if (shape_.overlays) return std::make_unique<storage::OverlayStore>();
  return std::make_unique<GatedVolumes>(disks);
}

void HostContext::End() {
  if (host_ == nullptr) return;
  // As the server does: the threads that post to the host end before it.
  catalog_->Shutdown();
  io_->Stop();
  host_.reset();
  world.Settle();
  catalog_.reset();
  io_.reset();
}

std::unique_ptr<state::Store> HostContext::OpenStore() {
  return testing::ValueOf(state::Store::Open(state_dir_));
}

CreateVmSpec HostContext::Spec(std::string name) {
  CreateVmSpec spec;
  spec.name = std::move(name);
  spec.owner_uid = geteuid();
  return spec;
}

Awaited<VmView> HostContext::BeginCreate(CreateVmSpec spec, Cancellation cancellation) {
  Awaited<VmView> answer;
  host_->CreateVm(std::move(spec), std::move(cancellation), answer.reply());
  return answer;
}

absl::StatusOr<VmView> HostContext::Create(CreateVmSpec spec, Cancellation cancellation) {
  return Answer(BeginCreate(std::move(spec), std::move(cancellation)));
}

absl::StatusOr<VmView> HostContext::CreateIdle(std::string name) {
  CreateVmSpec spec = Spec(std::move(name));
  spec.start = false;
  return Create(std::move(spec));
}

absl::StatusOr<VmView> HostContext::Start(std::string name) {
  Awaited<VmView> answer;
  host_->StartVm(std::move(name), absl::Seconds(20), {}, answer.reply());
  return Answer(answer);
}

Awaited<VmView> HostContext::BeginStop(std::string name, StopPlan plan) {
  Awaited<VmView> answer;
  host_->StopVm(std::move(name), plan, answer.reply());
  return answer;
}

absl::StatusOr<VmView> HostContext::Stop(std::string name, StopPlan plan) {
  return Answer(BeginStop(std::move(name), plan));
}

Awaited<Done> HostContext::BeginDelete(std::string name, Host::DeleteMode mode) {
  Awaited<Done> answer;
  host_->DeleteVm(std::move(name), mode, answer.reply());
  return answer;
}

absl::Status HostContext::Delete(std::string name, Host::DeleteMode mode) {
  return Answer(BeginDelete(std::move(name), mode)).status();
}

absl::StatusOr<VmView> HostContext::Get(std::string name) {
  Awaited<VmView> answer;
  host_->GetVm(std::move(name), answer.reply());
  return Answer(answer);
}

Awaited<VmView> HostContext::BeginWait(std::string name, WaitCondition condition,
                                       Cancellation cancellation) {
  Awaited<VmView> answer;
  host_->WaitVm(std::move(name), condition, std::move(cancellation), answer.reply());
  return answer;
}

absl::StatusOr<VmView> HostContext::Wait(std::string name, WaitCondition condition,
                                         Cancellation cancellation) {
  return Answer(BeginWait(std::move(name), condition, std::move(cancellation)));
}

std::vector<VmView> HostContext::List(VmFilter filter) {
  Awaited<std::vector<VmView>> answer;
  host_->ListVms(std::move(filter), answer.reply());
  return testing::ValueOf(Answer(answer));
}

Awaited<VmView> HostContext::BeginRestart(std::string name, StopPlan plan) {
  Awaited<VmView> answer;
  host_->RestartVm(std::move(name), plan, absl::Seconds(20), {}, answer.reply());
  return answer;
}

absl::StatusOr<VmView> HostContext::RestartVm(std::string name, StopPlan plan) {
  return Answer(BeginRestart(std::move(name), plan));
}

absl::StatusOr<VmView> HostContext::Pause(std::string name) {
  Awaited<VmView> answer;
  host_->PauseVm(std::move(name), answer.reply());
  return Answer(answer);
}

absl::StatusOr<VmView> HostContext::Resume(std::string name) {
  Awaited<VmView> answer;
  host_->ResumeVm(std::move(name), answer.reply());
  return Answer(answer);
}

absl::StatusOr<VmView> HostContext::Rename(std::string name, std::string new_name) {
  Awaited<VmView> answer;
  host_->RenameVm(std::move(name), std::move(new_name), answer.reply());
  return Answer(answer);
}

absl::StatusOr<VmView> HostContext::Update(std::string name, VmUpdate update) {
  Awaited<VmView> answer;
  host_->UpdateVm(std::move(name), std::move(update), answer.reply());
  return Answer(answer);
}

absl::StatusOr<std::vector<Anomaly>> HostContext::Check() {
  Awaited<std::vector<Anomaly>> answer;
  host_->Check(HostCheck::Depth::kAll, answer.reply());
  return Answer(answer);
}

std::string HostContext::Anomalies() {
  std::vector<std::string> words;
  for (const Anomaly& anomaly : testing::ValueOf(Check())) {
    words.push_back(fmt::format("{}:{}", anomaly.kind, fmt::join(anomaly.vm_names, ",")));
  }
  std::sort(words.begin(), words.end());
  return fmt::format("{}", fmt::join(words, " "));
}

absl::StatusOr<std::vector<Repair>> HostContext::RepairAll(HostRepair::Mode mode) {
  Awaited<std::vector<Repair>> answer;
  host_->Repair(mode, answer.reply());
  return Answer(answer);
}

void HostContext::Settle() { List(); }

Host::Summary HostContext::Summary() {
  Awaited<Host::Summary> answer;
  host_->Summarize(answer.reply());
  return testing::ValueOf(Answer(answer));
}

std::string HostContext::Events(std::string_view vm) {
  if (LastEvent() == 0) return "";
  Awaited<std::vector<state::Event>> answer;
  host_->NextEvents(0, 1000, {}, answer.reply());
  std::string kinds;
  for (const state::Event& event : testing::ValueOf(Answer(answer))) {
    if (event.vm_name == vm) kinds += (kinds.empty() ? "" : " ") + event.kind;
  }
  return kinds;
}

absl::StatusOr<state::Event> HostContext::AwaitEvent(std::string_view vm, std::string_view kind,
                                                     uint64_t after) {
  while (true) {
    Awaited<std::vector<state::Event>> answer;
    host_->NextEvents(after, 100, Soon(), answer.reply());
    ASSIGN_OR_RETURN(const std::vector<state::Event> events, Answer(answer));
    for (const state::Event& event : events) {
      if (event.vm_name == vm && event.kind == kind) return event;
      after = event.sequence;
    }
  }
}

void HostContext::CheckNothingLeft(std::string_view vm) {
  CHECK(absl::IsNotFound(Get(std::string(vm)).status()));
  CHECK_FALSE(std::filesystem::exists(VmDir(vm)));
  CHECK_FALSE(world.Running().contains(std::string(vm)));
  const auto next = CreateIdle("next");
  REQUIRE_OK(next);
  CHECK(next->record.guest_cid == 3);
  REQUIRE_OK(Delete("next"));
}

void HostContext::AddImage(std::string_view name, uint64_t size_bytes,
                           const images::ImageConfig& config) {
  // What a store finds in its folder, without the second that a filesystem takes to be made.
  const std::filesystem::path dir = state_dir_ / "images";
  images::ImageIndex index(dir);
  REQUIRE_OK(index.Prepare());
  images::ImageRecord image;
  image.source = "tar:x";
  image.digest = images::DigestBytes(fmt::format("{} {}", name, size_bytes));
  image.size_bytes = size_bytes;
  image.config = config;
  image.created_at = absl::Now();
  image.id = images::ImageId(image.digest, config);
  REQUIRE_OK(
      WriteFileAtomically(index.RootfsPath(image.digest), std::string(size_bytes, '\0'), 0444));
  REQUIRE_OK(index.AddRecord(image));
  REQUIRE_OK(index.AddName(name, image.id));
}

void HostContext::AddKernel(std::string_view name) {
  const std::filesystem::path agent = dir_ / "emberd";
  REQUIRE_OK(WriteFileAtomically(agent, "agent", 0755));
  const std::filesystem::path entry = state_dir_ / "kernels" / name;
  REQUIRE_OK(MakeDirectories(entry / "modules", 0755));
  REQUIRE_OK(WriteFileAtomically(entry / "vmlinux", "kernel", 0644));
  REQUIRE_OK(WriteFileAtomically(entry / "initramfs.cpio", "cpio", 0644));
  REQUIRE_OK(WriteFileAtomically(entry / "modules" / "order", "", 0644));
  REQUIRE_OK(WriteFileAtomically(entry / "kernel.json",
                                 R"({"version":"6.1","source":"file:x","created_at":)"
                                 R"("2026-01-01T00:00:00.000000000Z"})",
                                 0644));
  REQUIRE_OK(WriteFileAtomically(state_dir_ / "kernels" / "default", std::string(name), 0644));
}

}  // namespace ember::daemon
