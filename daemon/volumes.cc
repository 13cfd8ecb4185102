#include "daemon/volumes.h"

#include <algorithm>
#include <memory>
#include <set>
#include <utility>

#include "base/fault_point.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "daemon/volume_files.h"

namespace ember::daemon {
namespace {

constexpr size_t kMostVolumes = 8;
constexpr size_t kMostMountArguments = 512;  // bytes; kernels cut their line at 2,048

// One word of the kernel's command line, without what that or the argument takes for its own.
bool IsMountPath(std::string_view path) {
  const auto allowed = [](char c) {
    return c > 0x20 && c < 0x7F && c != '"' && c != ':' && c != '\\';
  };
  return path.size() > 1 && path.front() == '/' && std::all_of(path.begin(), path.end(), allowed) &&
         (std::string(path) + "/").find("/../") == std::string::npos;
}

}  // namespace

absl::Status CheckAttachments(std::string_view vm_name,
                              const std::vector<state::VolumeAttachment>& volumes) {
  if (volumes.size() > kMostVolumes) {
    return InvalidArgument("vm '{}': {} volumes, {} are possible", vm_name, volumes.size(),
                           kMostVolumes);
  }
  std::set<std::string> seen;
  size_t arguments = 0;
  for (const state::VolumeAttachment& volume : volumes) {
    RETURN_IF_ERROR(state::ValidateVolumeName(volume.volume));
    if (!volume.mount_path.empty() && !IsMountPath(volume.mount_path)) {
      return WithHint(InvalidArgument("vm '{}': volume '{}' can't be mounted at '{}'", vm_name,
                                      volume.volume, volume.mount_path),
                      "use an absolute path without blanks, quotes, ':', '\\' and '..': --volume "
                      "data:/srv/data");
    }
    const bool twice = !seen.insert(volume.volume).second ||
                       (!volume.mount_path.empty() && !seen.insert(volume.mount_path).second);
    if (twice) {
      return InvalidArgument("vm '{}': volume '{}', or its path, is named twice", vm_name,
                             volume.volume);
    }
    arguments += MountArgument(volume).size();
  }
  if (arguments <= kMostMountArguments) return absl::OkStatus();
  return WithHint(InvalidArgument("vm '{}': its volumes' names and paths have {} bytes together",
                                  vm_name, arguments),
                  fmt::format("at most {} fit: use shorter paths", kMostMountArguments));
}

std::string MountArgument(const state::VolumeAttachment& volume) {
  if (volume.mount_path.empty()) return "";
  return fmt::format("ember.mount={}:{}{}", volume.volume, volume.mount_path,
                     volume.read_only ? ":ro" : "");
}

void Volumes::Create(const state::NewVolume& wanted, Reply<state::DataVolume> reply) {
  if (absl::Status can_be = CheckVolume(wanted); !can_be.ok()) return reply(can_be);
  if (const auto begun = ledger_.context().store.BeginVolume(wanted); !begun.ok()) {
    return reply(begun.status());
  }
  CrashPoint("volume/row-committed");
  files_.Post([this, &context = ledger_.context(), wanted, reply = std::move(reply)]() mutable {
    const absl::Status made = MakeVolumeFile(context.state_dir, wanted, {});
    context.host.Post([this, name = wanted.name, made, reply = std::move(reply)]() mutable {
      OnMade(name, made, std::move(reply));
    });
  });
}

void Volumes::OnMade(const std::string& name, const absl::Status& made,
                     Reply<state::DataVolume> reply) {
  auto answer = std::make_shared<Reply<state::DataVolume>>(std::move(reply));
  if (made.ok()) {
    return ledger_.Settle("a new volume", [this, name, answer] {
      ASSIGN_OR_RETURN(state::DataVolume volume, ledger_.context().store.FinishVolume(name));
      CrashPoint("volume/recorded");
      (*answer)(std::move(volume));
      return absl::OkStatus();
    });
  }
  const absl::Status why = Annotate(made, fmt::format("volume '{}'", name));
  ledger_.Settle("a failed volume", [this, name, why, answer] {
    RETURN_IF_ERROR(ledger_.context().store.RemoveVolume(name));
    (*answer)(why);
    return absl::OkStatus();
  });
}

void Volumes::Remove(const std::string& name, Reply<Done> reply) {
  const auto volume = ledger_.context().store.GetVolume(name);
  if (!volume.ok()) return reply(volume.status());
  absl::Status begun = volume->state == state::VolumeState::kReady
                           ? ledger_.context().store.BeginVolumeRemoval(name)
                           : state::VolumeInUse(*volume);
  if (!begun.ok()) return reply(begun);
  CrashPoint("volume-delete/intent-committed");
  auto answer = std::make_shared<Reply<Done>>(std::move(reply));
  Clear(name, [answer](const absl::Status& cleared) {
    if (!cleared.ok()) return (*answer)(cleared);
    (*answer)(Done{});
  });
}

void Volumes::Clear(const std::string& name, std::function<void(absl::Status)> cleared) {
  files_.Post([this, &context = ledger_.context(), name, cleared = std::move(cleared)]() mutable {
    absl::Status removed = FaultPoint("volume-delete/remove-file");
    if (removed.ok()) removed = RemoveVolumeFile(context.state_dir, name);
    CrashPoint("volume-delete/file-removed");
    context.host.Post([this, name, removed, cleared = std::move(cleared)] {
      ledger_.Settle("a volume that goes", [this, name, removed, cleared] {
        state::Store& store = ledger_.context().store;
        // It is there still, and whole.
        RETURN_IF_ERROR(removed.ok() ? store.RemoveVolume(name)
                                     : store.FinishVolume(name).status());
        CrashPoint("volume-delete/recorded");
        cleared(Annotate(removed, fmt::format("volume '{}' could not be deleted", name)));
        return absl::OkStatus();
      });
    });
  });
}

void Volumes::Recover() {
  const auto volumes = ledger_.context().store.ListVolumes();
  if (!volumes.ok()) {
    return ledger_.context().log.Error("volumes can't be looked at",
                                       {{"cause", std::string(Message(volumes.status()))}});
  }
  for (const state::DataVolume& volume : *volumes) RecoverOne(volume);
  RemoveLeftovers(*volumes);
}

void Volumes::RecoverOne(const state::DataVolume& volume) {
  if (volume.state == state::VolumeState::kReady) return;
  if (volume.vm_id.empty()) return Clear(volume.name, [](const absl::Status&) {});
  const Vm* vm = vms_.FindById(volume.vm_id);
  // A create that is undone, or a delete, takes them along.
  const bool goes = vm == nullptr || vm->record.state == state::VmState::kCreating ||
                    vm->record.state == state::VmState::kDeleting;
  if (goes) return;
  ledger_.Settle("the volumes of a VM", [this, id = volume.vm_id] {
    return ledger_.context().store.FinishVolumesOf(id).status();
  });
}

void Volumes::RemoveLeftovers(const std::vector<state::DataVolume>& volumes) {
  const VmLedger::Context& context = ledger_.context();
  std::set<std::string> known;
  for (const state::DataVolume& volume : volumes) known.insert(volume.name);
  for (const std::string& name : ListVolumeFiles(context.state_dir)) {
    if (known.contains(name)) continue;
    context.log.Warn("removing a leftover volume", {{"volume", name}});
    const absl::Status removed = RemoveVolumeFile(context.state_dir, name);
    if (!removed.ok()) {
      context.log.Error("a leftover can't be removed", {{"cause", std::string(Message(removed))}});
    }
  }
}

}  // namespace ember::daemon
