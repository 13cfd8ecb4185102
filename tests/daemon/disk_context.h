#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/size.h"
#include "daemon/volume_files.h"
#include "tests/daemon/host_context.h"

namespace ember::daemon {

// A host whose VMs have disks, and verbs for those.
class DiskContext : public HostContext {
 public:
  explicit DiskContext(bool live_disks = true)
      : HostContext({.needs_kernel = true, .live_disks = live_disks}) {
    AddImage("debian");
    AddKernel("k");
  }

  static CreateVmSpec Spec(std::string name) {
    CreateVmSpec spec = HostContext::Spec(std::move(name));
    spec.image = "debian";
    spec.disk_bytes = 64 * kMiB;
    return spec;
  }
  absl::StatusOr<VmView> Create(std::string name) {
    return HostContext::Create(Spec(std::move(name)));
  }
  absl::StatusOr<VmView> CreateIdle(std::string name) {
    CreateVmSpec spec = Spec(std::move(name));
    spec.start = false;
    return HostContext::Create(std::move(spec));
  }
  absl::StatusOr<VmView> CreateWith(std::string name,
                                    std::vector<state::VolumeAttachment> volumes) {
    CreateVmSpec spec = Spec(std::move(name));
    spec.volumes = std::move(volumes);
    return HostContext::Create(std::move(spec));
  }

  absl::StatusOr<state::DataVolume> MakeVolume(std::string name, uint64_t size,
                                               std::string filesystem = "ext4") {
    Awaited<state::DataVolume> answer;
    host().CreateVolume({std::move(name), size, std::move(filesystem)}, answer.reply());
    return Answer(answer);
  }
  absl::Status DeleteVolume(std::string name) {
    Awaited<Done> answer;
    host().DeleteVolume(std::move(name), answer.reply());
    return Answer(answer).status();
  }
  std::vector<state::DataVolume> Volumes() {
    Awaited<std::vector<state::DataVolume>> answer;
    host().ListVolumes(answer.reply());
    return testing::ValueOf(Answer(answer));
  }
  // Waits until this volume is the only one.
  bool BecomesOnly(std::string_view name) {
    const Cancellation limit = Soon();
    while (true) {
      const auto volumes = Volumes();
      if (volumes.size() == 1 && volumes[0].name == name) return true;
      if (!limit.Pause(absl::Milliseconds(2), "volumes").ok() || limit.done()) return false;
    }
  }
  absl::StatusOr<VmView> Resize(std::string name, uint64_t bytes) {
    Awaited<VmView> answer;
    host().ResizeVmDisk(std::move(name), bytes, answer.reply());
    return Answer(answer);
  }

  std::filesystem::path VolumeFile(std::string_view name) const {
    return VolumePath(state_dir(), name);
  }
  std::filesystem::path DiskFile(std::string_view vm) const { return VmDir(vm) / "disk.img"; }
};

}  // namespace ember::daemon
