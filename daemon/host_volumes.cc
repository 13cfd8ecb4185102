// What Host does with data volumes, and with the size of disks.
#include <utility>

#include "daemon/host_decisions.h"
#include "daemon/volume_files.h"

namespace ember::daemon {

void Host::CreateVolume(state::NewVolume wanted, Reply<state::DataVolume> reply) {
  Decide(std::move(reply), [this, wanted = std::move(wanted)](Reply<state::DataVolume> reply) {
    sequence_.AssertCurrent();
    data_volumes_.Create(wanted, std::move(reply));
  });
}

void Host::ListVolumes(Reply<std::vector<state::DataVolume>> reply) {
  Decide(std::move(reply), [this](Reply<std::vector<state::DataVolume>> reply) {
    sequence_.AssertCurrent();
    reply(store_->ListVolumes());
  });
}

void Host::DeleteVolume(std::string name, Reply<Done> reply) {
  Decide(std::move(reply), [this, name = std::move(name)](Reply<Done> reply) {
    sequence_.AssertCurrent();
    data_volumes_.Remove(name, std::move(reply));
  });
}

void Host::ResizeVmDisk(std::string name, uint64_t bytes, Reply<VmView> reply) {
  DecideOn(std::move(name), std::move(reply), [this, bytes](Vm& vm, auto answer) {
    sequence_.AssertCurrent();
    resize_.Resize(vm, bytes, [this, id = vm.record.id, answer](const absl::Status& resized) {
      sequence_.AssertCurrent();
      AnswerView(id, resized, *answer);
    });
  });
}

std::filesystem::path Host::PathOfVolume(std::string_view name) const {
  return VolumePath(state_dir_, name);
}

}  // namespace ember::daemon
