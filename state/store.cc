#include "state/store.h"

#include <utility>

#include "base/file.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "state/migrations.h"

namespace ember::state {
namespace {

// The id of this installation, made at the first open.
absl::StatusOr<std::string> EnsureInstallationId(Database& database) {
  ASSIGN_OR_RETURN(const std::string fresh, RandomUuid());
  ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(database));
  {
    ASSIGN_OR_RETURN(Statement insert,
                     database.Prepare("INSERT INTO meta (key, value) VALUES ('installation_id', ?1)"
                                      " ON CONFLICT DO NOTHING"));
    RETURN_IF_ERROR(insert.Run(fresh));
  }
  ASSIGN_OR_RETURN(Statement query,
                   database.Prepare("SELECT value FROM meta WHERE key = 'installation_id'"));
  RETURN_IF_ERROR(query.Bind());
  ASSIGN_OR_RETURN(const bool row, query.Next());
  if (!row) return Internal("{}: no installation id", database.path().native());
  std::string id = query.Text(0);
  RETURN_IF_ERROR(transaction.Commit());
  return id;
}

absl::Status NoSuchVm(std::string_view key, std::string_view value) {
  const absl::Status status =
      WithHint(NotFound("vm '{}' not found", value), "list the VMs there are: ember vm list");
  return WithMetadata(WithReason(status, "VM_NOT_FOUND"), key, value);
}

absl::Status NameTaken(const VmRecord& holder) {
  const absl::Status status = WithHint(
      AlreadyExists("vm '{}' already exists", holder.name),
      fmt::format("choose another name, or delete it first: ember vm delete {}", holder.name));
  return WithMetadata(WithReason(status, "VM_EXISTS"), "vm", holder.name);
}

absl::Status RequestIdReused(const VmRecord& holder) {
  const absl::Status status =
      WithHint(AlreadyExists("request id '{}' was used to create vm '{}' from another request",
                             holder.request_id, holder.name),
               "use a new request id for a new request");
  return WithMetadata(WithReason(status, "REQUEST_ID_REUSED"), "vm", holder.name);
}

// The VM that an earlier request made, or nothing where this one is new.
absl::StatusOr<std::optional<VmRecord>> FindRepeated(VmTable& vms, const NewVm& vm) {
  if (vm.request_id.empty()) return std::optional<VmRecord>();
  ASSIGN_OR_RETURN(std::optional<VmRecord> holder, vms.FindByRequestId(vm.request_id));
  if (holder.has_value() && holder->request_digest != vm.request_digest) {
    return RequestIdReused(*holder);
  }
  return holder;
}

Event EventOf(const VmRecord& vm, const Change& change) {
  Event event;
  event.vm_id = vm.id;
  event.vm_name = vm.name;
  event.kind = change.kind.empty() ? std::string(VmStateName(change.state)) : change.kind;
  event.state = change.state;
  event.message = change.message;
  return event;
}

}  // namespace

Store::Store(std::unique_ptr<Database> database, std::string installation_id, EventLog events)
    : database_(std::move(database)),
      installation_id_(std::move(installation_id)),
      events_(events),
      vms_(*database_),
      allocator_(*database_) {}

absl::StatusOr<std::unique_ptr<Store>> Store::Open(const std::filesystem::path& state_dir) {
  ASSIGN_OR_RETURN(std::unique_ptr<Database> database, Database::Open(state_dir / "state.db"));
  RETURN_IF_ERROR(Migrate(*database, CurrentSchemaPlan()));
  ASSIGN_OR_RETURN(std::string installation_id, EnsureInstallationId(*database));
  ASSIGN_OR_RETURN(const EventLog events, EventLog::Open(*database, kEventsKept));
  return std::unique_ptr<Store>(new Store(std::move(database), std::move(installation_id), events));
}

absl::StatusOr<CreateResult> Store::CreateVm(const NewVm& vm) {
  ASSIGN_OR_RETURN(const std::string vm_id, RandomUuid());
  ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(*database_));
  ASSIGN_OR_RETURN(std::optional<VmRecord> repeated, FindRepeated(vms_, vm));
  if (repeated.has_value()) return CreateResult{CreateResult::Kind::kFound, *std::move(repeated)};
  ASSIGN_OR_RETURN(const std::optional<VmRecord> holder, vms_.FindByName(vm.name));
  if (holder.has_value()) return NameTaken(*holder);

  RETURN_IF_ERROR(vms_.Insert(vm_id, vm));
  RETURN_IF_ERROR(allocator_.LeaseCid(vm_id).status());
  ASSIGN_OR_RETURN(VmRecord made, Require(vm_id));
  const Change change = {.state = VmState::kCreating, .message = "", .kind = ""};
  ASSIGN_OR_RETURN(const uint64_t sequence, events_.Append(EventOf(made, change)));
  RETURN_IF_ERROR(transaction.Commit());
  events_.Committed(sequence);
  return CreateResult{CreateResult::Kind::kMade, std::move(made)};
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

absl::StatusOr<VmRecord> Store::Apply(std::string_view vm_id, const Change& change, Work work) {
  ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(*database_));
  ASSIGN_OR_RETURN(const VmRecord before, Require(vm_id));
  RETURN_IF_ERROR(work(before));
  const bool failed = change.state == VmState::kFailed;
  RETURN_IF_ERROR(vms_.SetState(vm_id, change.state, failed ? change.message : ""));
  ASSIGN_OR_RETURN(const uint64_t sequence, events_.Append(EventOf(before, change)));
  ASSIGN_OR_RETURN(VmRecord after, Require(vm_id));
  RETURN_IF_ERROR(transaction.Commit());
  events_.Committed(sequence);
  return after;
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
  ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(*database_));
  ASSIGN_OR_RETURN(const VmRecord before, Require(vm_id));
  if (before.state != VmState::kDeleting) {
    return FailedPrecondition("vm '{}' is {}, not deleting", before.name,
                              VmStateName(before.state));
  }
  RETURN_IF_ERROR(vms_.DeleteMachine(vm_id));
  RETURN_IF_ERROR(vms_.Delete(vm_id));
  const Change change = {
      .state = VmState::kDeleting, .message = std::string(message), .kind = "deleted"};
  ASSIGN_OR_RETURN(const uint64_t sequence, events_.Append(EventOf(before, change)));
  RETURN_IF_ERROR(transaction.Commit());
  events_.Committed(sequence);
  return absl::OkStatus();
}

absl::StatusOr<VmRecord> Store::BeginStart(std::string_view vm_id, const MachineRow& intent,
                                           const Change& change) {
  return Apply(vm_id, change, [this, &intent](const VmRecord& before) -> absl::Status {
    if (before.machine.has_value()) {
      return FailedPrecondition("vm '{}' still has machine {} on record", before.name,
                                before.machine->machine_id);
    }
    RETURN_IF_ERROR(vms_.SetBootRetries(before.id, 0));
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
  ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(*database_));
  ASSIGN_OR_RETURN(const VmRecord vm, Require(vm_id));
  const Change event = {
      .state = vm.state, .message = std::string(message), .kind = std::string(kind)};
  ASSIGN_OR_RETURN(const uint64_t sequence, events_.Append(EventOf(vm, event)));
  RETURN_IF_ERROR(transaction.Commit());
  events_.Committed(sequence);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Event>> Store::EventsAfter(uint64_t sequence, size_t limit) {
  return events_.After(sequence, limit);
}

}  // namespace ember::state
