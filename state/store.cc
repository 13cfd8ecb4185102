#include "state/store.h"

#include <utility>

#include "base/file.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "state/migrations.h"
#include "state/refusals.h"

namespace ember::state {
namespace {

// The VM that an earlier request made, or nothing where this one is new.
absl::StatusOr<std::optional<VmRecord>> FindRepeated(VmTable& vms, const NewVm& vm) {
  if (vm.request_id.empty()) return std::optional<VmRecord>();
  ASSIGN_OR_RETURN(std::optional<VmRecord> holder, vms.FindByRequestId(vm.request_id));
  if (holder.has_value() && holder->request_digest != vm.request_digest) {
    return RequestIdReused(*holder);
  }
  return holder;
}

Event EventOf(const VmRecord& vm, std::string_view kind, std::string_view message) {
  Event event;
  event.vm_id = vm.id;
  event.vm_name = vm.name;
  event.kind = kind;
  event.state = vm.state;
  event.message = message;
  return event;
}

}  // namespace

Store::Store(std::unique_ptr<Database> database, Installation installation, EventLog events)
    : database_(std::move(database)),
      installation_(std::move(installation)),
      events_(events),
      vms_(*database_),
      cids_(*database_),
      blocks_(*database_, installation_.subnet),
      ports_(*database_),
      forwards_(*database_),
      layers_(*database_),
      snapshots_(*database_),
      volumes_(*database_),
      writer_(*database_,
              {.events = events_, .cids = cids_.free_numbers(), .blocks = blocks_.free_numbers()}) {
}

absl::StatusOr<std::unique_ptr<Store>> Store::Open(const std::filesystem::path& state_dir,
                                                   const StoreOptions& options) {
  ASSIGN_OR_RETURN(std::unique_ptr<Database> database, Database::Open(state_dir / "state.db"));
  RETURN_IF_ERROR(Migrate(*database, CurrentSchemaPlan()));
  ASSIGN_OR_RETURN(Installation installation, EnsureInstallation(*database, options.subnet));
  ASSIGN_OR_RETURN(const EventLog events, EventLog::Open(*database, kEventsKept));
  return std::unique_ptr<Store>(new Store(std::move(database), std::move(installation), events));
}

absl::StatusOr<CreateResult> Store::CreateVm(const NewVm& vm) {
  ASSIGN_OR_RETURN(const std::string vm_id, TimeOrderedUuid());
  ASSIGN_OR_RETURN(Write write, writer_.Begin());
  ASSIGN_OR_RETURN(std::optional<VmRecord> repeated, FindRepeated(vms_, vm));
  if (repeated.has_value()) return CreateResult{CreateResult::Kind::kFound, *std::move(repeated)};
  RETURN_IF_ERROR(CheckNameFree(vm.name));

  ASSIGN_OR_RETURN(VmRecord made, vms_.Insert(vm_id, vm));
  ASSIGN_OR_RETURN(made.guest_cid, cids_.Lease(vm_id));
  ASSIGN_OR_RETURN(made.address, blocks_.Lease(vm_id));
  RETURN_IF_ERROR(AttachVolumes(vm_id, vm));
  // What a fork takes over from its parent's rows, and the sizes of volumes.
  if (vm.parent.has_value() || !vm.config.volumes.empty()) {
    ASSIGN_OR_RETURN(made, Require(vm_id));
  }
  RETURN_IF_ERROR(events_.Append(EventOf(made, VmStateName(made.state), "")));
  RETURN_IF_ERROR(write.Commit());
  return CreateResult{CreateResult::Kind::kMade, std::move(made)};
}

absl::Status Store::CheckNameFree(std::string_view name) {
  ASSIGN_OR_RETURN(const std::optional<NameHolder> holder, vms_.FindNameHolder(name));
  return holder.has_value() ? NameTaken(name, *holder) : absl::OkStatus();
}

absl::StatusOr<std::optional<VmRecord>> Store::FindByRequestId(std::string_view request_id) {
  return vms_.FindByRequestId(request_id);
}

absl::StatusOr<VmRecord> Store::GetVm(std::string_view name) {
  ASSIGN_OR_RETURN(std::optional<VmRecord> vm, vms_.FindByName(name));
  if (!vm.has_value()) return NoSuchVm("vm", name);
  return *std::move(vm);
}

absl::StatusOr<VmRecord> Store::GetVmById(std::string_view vm_id) { return Require(vm_id); }

absl::StatusOr<VmRecord> Store::Require(std::string_view vm_id) {
  ASSIGN_OR_RETURN(std::optional<VmRecord> vm, vms_.FindById(vm_id));
  if (!vm.has_value()) return NoSuchVm("vm_id", vm_id);
  return *std::move(vm);
}

absl::StatusOr<std::vector<VmRecord>> Store::ListVms() { return vms_.List(); }

absl::StatusOr<VmRecord> Store::Amend(std::string_view vm_id, Edit edit) {
  ASSIGN_OR_RETURN(Write write, writer_.Begin());
  ASSIGN_OR_RETURN(const VmRecord before, Require(vm_id));
  ASSIGN_OR_RETURN(const std::optional<Note> note, edit(before));
  ASSIGN_OR_RETURN(VmRecord after, Require(vm_id));
  if (note.has_value()) {
    RETURN_IF_ERROR(events_.Append(EventOf(after, note->kind, note->message)));
  }
  RETURN_IF_ERROR(write.Commit());
  return after;
}

absl::StatusOr<VmRecord> Store::Apply(std::string_view vm_id, const Change& change, Work work) {
  return Amend(
      vm_id, [this, &change, &work](const VmRecord& before) -> absl::StatusOr<std::optional<Note>> {
        RETURN_IF_ERROR(work(before));
        const bool failed = change.state == VmState::kFailed;
        RETURN_IF_ERROR(vms_.SetState(before.id, change.state, failed ? change.message : ""));
        const FollowUp follow_up = change.follow_up.value_or(before.follow_up);
        if (follow_up != before.follow_up) {
          RETURN_IF_ERROR(vms_.SetFollowUp(before.id, follow_up));
        }
        const std::string_view kind = change.kind;
        return Note{.kind = std::string(kind.empty() ? VmStateName(change.state) : kind),
                    .message = change.message};
      });
}

absl::StatusOr<VmRecord> Store::SetState(std::string_view vm_id, const Change& change) {
  return Apply(vm_id, change, [](const VmRecord&) { return absl::OkStatus(); });
}

absl::StatusOr<VmRecord> Store::SetDisk(std::string_view vm_id, const DiskRow& disk,
                                        const Change& change) {
  return Apply(vm_id, change,
               [this, &disk](const VmRecord& before) { return vms_.SetDisk(before.id, disk); });
}

absl::Status Store::DeleteVm(std::string_view vm_id, std::string_view message) {
  ASSIGN_OR_RETURN(Write write, writer_.Begin());
  ASSIGN_OR_RETURN(const VmRecord before, Require(vm_id));
  if (before.state != VmState::kDeleting) {
    return FailedPrecondition("vm '{}' is {}, not deleting", before.name,
                              VmStateName(before.state));
  }
  RETURN_IF_ERROR(vms_.DeleteMachine(vm_id));
  RETURN_IF_ERROR(volumes_.DropOf(vm_id));
  RETURN_IF_ERROR(vms_.Delete(vm_id));
  if (before.guest_cid != 0) cids_.Released(before.guest_cid);
  if (before.address.has_value()) blocks_.Released(*before.address);
  RETURN_IF_ERROR(events_.Append(EventOf(before, "deleted", message)));
  return write.Commit();
}

absl::StatusOr<VmRecord> Store::BeginStart(std::string_view vm_id, const MachineRow& intent,
                                           const Change& change, StartCause cause) {
  return Apply(vm_id, change, [this, &intent, cause](const VmRecord& before) -> absl::Status {
    if (before.machine.has_value()) {
      return FailedPrecondition("vm '{}' still has machine {} on record", before.name,
                                before.machine->machine_id);
    }
    RETURN_IF_ERROR(vms_.SetBootRetries(before.id, 0));
    const bool asked = cause == StartCause::kAsked;
    RETURN_IF_ERROR(vms_.SetRestarts(before.id, asked ? 0 : before.restarts + 1));
    return vms_.InsertMachine(before.id, intent);
  });
}

absl::StatusOr<VmRecord> Store::BeginBootRetry(std::string_view vm_id, const MachineRow& intent,
                                               const Change& change) {
  return Apply(vm_id, change, [this, &intent](const VmRecord& before) -> absl::Status {
    RETURN_IF_ERROR(vms_.DeleteMachine(before.id));
    RETURN_IF_ERROR(vms_.SetBootRetries(before.id, before.boot_retries + 1));
    return vms_.InsertMachine(before.id, intent);
  });
}

absl::StatusOr<VmRecord> Store::RecordMachine(std::string_view vm_id, const MachineRow& machine,
                                              const Change& change) {
  return Apply(vm_id, change, [this, &machine](const VmRecord& before) -> absl::Status {
    if (!before.machine.has_value() || before.machine->machine_id != machine.machine_id) {
      return FailedPrecondition("vm '{}' has no machine {} on record", before.name,
                                machine.machine_id);
    }
    RETURN_IF_ERROR(vms_.DeleteMachine(before.id));
    RETURN_IF_ERROR(vms_.InsertMachine(before.id, machine));
    return vms_.SetStartedNow(before.id);
  });
}

absl::StatusOr<VmRecord> Store::ClearMachine(std::string_view vm_id, const Change& change) {
  return Apply(vm_id, change,
               [this](const VmRecord& before) { return vms_.DeleteMachine(before.id); });
}

absl::Status Store::AppendEvent(std::string_view vm_id, std::string_view kind,
                                std::string_view message) {
  return Amend(vm_id,
               [kind, message](const VmRecord&) -> absl::StatusOr<std::optional<Note>> {
                 return Note{.kind = std::string(kind), .message = std::string(message)};
               })
      .status();
}

absl::StatusOr<std::vector<Event>> Store::EventsAfter(uint64_t sequence, size_t limit) {
  return events_.After(sequence, limit);
}

}  // namespace ember::state
