#include "tests/daemon/fork_context.h"

#include <filesystem>
#include <utility>

#include "base/subprocess.h"
#include "tests/support/status_matchers.h"

namespace ember::daemon {
namespace {

using testing::ValueOf;

HostContext::Shape ShapeOf(ForkContext::Disks disks) {
  HostContext::Shape shape;
  shape.needs_kernel = true;
  shape.overlays = disks == ForkContext::Disks::kOverlays;
  return shape;
}

std::set<std::string> FilesIn(const std::filesystem::path& dir) {
  std::set<std::string> names;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(dir, ignored)) {
    names.insert(entry.path().filename());
  }
  return names;
}

}  // namespace

ForkContext::ForkContext(Disks disks) : HostContext(ShapeOf(disks)) {
  AddImage("debian");
  AddKernel("linux");
}

ForkContext::ForkContext(const std::filesystem::path& state_dir)
    : HostContext({.needs_kernel = true, .state_dir = state_dir, .best_store = true}) {
  AddImage("debian");
  AddKernel("linux");
}

VmView ForkContext::MakeSource(std::string name, uint64_t disk_bytes) {
  CreateVmSpec spec = Spec(std::move(name));
  spec.image = "debian";
  spec.disk_bytes = disk_bytes;
  spec.start = false;
  return ValueOf(Create(std::move(spec)));
}

ForkVmSpec ForkContext::ForkSpec(std::string source, std::string name) {
  ForkVmSpec spec;
  spec.source = std::move(source);
  spec.name = std::move(name);
  spec.start = false;
  return spec;
}

Awaited<ForkedVm> ForkContext::BeginFork(ForkVmSpec spec, Cancellation cancellation) {
  Awaited<ForkedVm> answer;
  host().ForkVm(std::move(spec), std::move(cancellation), answer.reply());
  return answer;
}

absl::StatusOr<ForkedVm> ForkContext::Fork(ForkVmSpec spec, Cancellation cancellation) {
  Awaited<ForkedVm> answer = BeginFork(std::move(spec), std::move(cancellation));
  return answer.Wait(Soon(), "fork");
}

absl::StatusOr<SnapshotView> ForkContext::Snapshot(std::string vm, std::string name) {
  Awaited<SnapshotView> answer;
  host().CreateSnapshot(std::move(vm), std::move(name), {}, answer.reply());
  return answer.Wait(Soon(), "snapshot");
}

std::string ForkContext::Snapshots(std::string vm) {
  Awaited<std::vector<SnapshotView>> answer;
  host().ListSnapshots(std::move(vm), answer.reply());
  std::string names;
  for (const SnapshotView& view : ValueOf(answer.Wait(Soon(), "list"))) {
    names += (names.empty() ? "" : " ") + view.snapshot.name;
  }
  return names;
}

absl::StatusOr<VmView> ForkContext::Restore(std::string vm, std::string name) {
  Awaited<VmView> answer;
  host().RestoreSnapshot(std::move(vm), std::move(name), {}, answer.reply());
  return answer.Wait(Soon(), "restore");
}

absl::Status ForkContext::DeleteSnapshot(std::string vm, std::string name) {
  Awaited<Done> answer;
  host().DeleteSnapshot(std::move(vm), std::move(name), answer.reply());
  return answer.Wait(Soon(), "delete").status();
}

std::vector<std::string> ForkContext::QemuIo(std::string_view vm, const std::string& command) {
  const state::DiskRow disk = ValueOf(Get(std::string(vm))).record.disk;
  std::vector<std::string> argv = {"qemu-io", "-f", disk.format, "-c", command};
  if (command.starts_with("read")) argv.insert(argv.begin() + 1, {"-r", "-U"});
  argv.push_back(disk.path);
  return argv;
}

void ForkContext::Write(std::string_view vm, char byte, uint64_t mib) {
  const std::string command = fmt::format("write -q -P {} {}M 1M", static_cast<int>(byte), mib);
  REQUIRE_OK(RunToolForOutput(QemuIo(vm, command), Soon()));
}

bool ForkContext::Reads(std::string_view vm, char byte, uint64_t mib) {
  const std::string command = fmt::format("read -q -P {} {}M 1M", static_cast<int>(byte), mib);
  const auto out = RunToolForOutput(QemuIo(vm, command), Soon());
  return out.ok() && out->find("failed") == std::string::npos;
}

std::set<std::string> ForkContext::LayerFiles() const { return FilesIn(state_dir() / "layers"); }

std::set<std::string> ForkContext::DiskFiles(std::string_view vm) const {
  std::set<std::string> disks;
  for (const std::string& name : FilesIn(VmDir(vm))) {
    // A layer keeps its first name while a machine may open it by that.
    if (std::filesystem::hard_link_count(VmDir(vm) / name) > 1) continue;
    if (name.starts_with("disk") || name.starts_with("snapshot-")) disks.insert(name);
  }
  return disks;
}

uint32_t ForkContext::DepthOf(std::string_view vm) {
  const std::string layer = ValueOf(Get(std::string(vm))).record.disk.layer_id;
  if (layer.empty()) return 0;
  const auto info = RunToolForOutput(
      {"qemu-img", "info", "-U", "--backing-chain", ValueOf(Get(std::string(vm))).record.disk.path},
      Soon());
  uint32_t files = 0;
  for (size_t at = 0; (at = ValueOf(info).find("image: ", at)) != std::string::npos; ++at) ++files;
  return files - 2;  // itself, and the image
}

void ForkContext::CheckSound() {
  // What is removed behind an answer is removed on runners and workers: a restart waits for it.
  Restart();
  CHECK(Anomalies().empty());
  size_t disks = 0;
  for (const VmView& vm : List()) {
    CHECK(std::filesystem::exists(vm.record.disk.path));
    disks += DiskFiles(vm.record.name).size();
  }
  End();
  {
    const auto store = OpenStore();
    size_t snapshot_files = 0;
    for (const state::Snapshot& one : ValueOf(store->ListSnapshots())) {
      snapshot_files += one.file_name.empty() ? 0 : 1;
    }
    CHECK(disks == ValueOf(store->ListVms()).size() + snapshot_files);
    CHECK(LayerFiles().size() == ValueOf(store->ListLayers()).size());
  }
  Begin();
}

}  // namespace ember::daemon
