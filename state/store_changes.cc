// The store's calls that change a VM but not its state.
#include "base/file.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "state/config_change.h"
#include "state/refusals.h"
#include "state/store.h"

namespace ember::state {
namespace {

absl::Status RequireRename(const VmRecord& vm) {
  if (vm.dir_name != vm.name) return absl::OkStatus();
  return FailedPrecondition("vm '{}' is not being renamed", vm.name);
}

}  // namespace

absl::StatusOr<VmRecord> Store::UpdateConfig(std::string_view vm_id, const VmConfig& config) {
  return Amend(vm_id,
               [this, &config](const VmRecord& before) -> absl::StatusOr<std::optional<Note>> {
                 const std::string changes = DescribeConfigChange(before.config, config);
                 if (changes.empty()) return std::nullopt;
                 RETURN_IF_ERROR(vms_.SetConfig(before.id, config));
                 return Note{.kind = "updated", .message = changes};
               });
}

absl::StatusOr<VmRecord> Store::NoteImage(std::string_view vm_id, const VmImageRow& image) {
  return Amend(vm_id,
               [this, &image](const VmRecord& before) -> absl::StatusOr<std::optional<Note>> {
                 if (!before.image.has_value()) {
                   RETURN_IF_ERROR(vms_.InsertImage(before.id, image));
                 }
                 return std::nullopt;
               });
}

absl::StatusOr<VmRecord> Store::BeginRename(std::string_view vm_id, std::string_view new_name) {
  return Amend(
      vm_id, [this, new_name](const VmRecord& before) -> absl::StatusOr<std::optional<Note>> {
        if (before.dir_name != before.name) return RenameUnderWay(before);
        RETURN_IF_ERROR(CheckNameFree(new_name));
        RETURN_IF_ERROR(vms_.SetName(before.id, new_name));
        return Note{.kind = "renamed", .message = fmt::format("{} -> {}", before.name, new_name)};
      });
}

absl::StatusOr<VmRecord> Store::FinishRename(std::string_view vm_id, const DiskRow& disk) {
  return Amend(vm_id, [this, &disk](const VmRecord& before) -> absl::StatusOr<std::optional<Note>> {
    RETURN_IF_ERROR(RequireRename(before));
    RETURN_IF_ERROR(vms_.SetDirName(before.id, before.name));
    RETURN_IF_ERROR(vms_.SetDisk(before.id, disk));
    return std::nullopt;
  });
}

absl::StatusOr<VmRecord> Store::UndoRename(std::string_view vm_id, std::string_view message) {
  return Amend(vm_id,
               [this, message](const VmRecord& before) -> absl::StatusOr<std::optional<Note>> {
                 RETURN_IF_ERROR(RequireRename(before));
                 RETURN_IF_ERROR(vms_.SetName(before.id, before.dir_name));
                 return Note{.kind = "rename-undone", .message = std::string(message)};
               });
}

absl::StatusOr<PortLease> Store::LeasePort(const PortLease& wanted, PortRange any) {
  PortLease lease;
  const auto edit = [this, &wanted, any,
                     &lease](const VmRecord&) -> absl::StatusOr<std::optional<Note>> {
    ASSIGN_OR_RETURN(lease, ports_.Lease(wanted, any));
    const std::string port = DescribePort(lease.protocol, lease.host_address, lease.host_port);
    return Note{.kind = "port-leased",
                .message = fmt::format("{} -> {}", port, lease.guest_target)};
  };
  RETURN_IF_ERROR(Amend(wanted.vm_id, edit).status());
  return lease;
}

absl::Status Store::ReleasePort(PortProtocol protocol, std::string_view host_address,
                                uint16_t host_port) {
  ASSIGN_OR_RETURN(Write write, writer_.Begin());
  ASSIGN_OR_RETURN(const PortLease lease, ports_.Release(protocol, host_address, host_port));
  const std::string port = DescribePort(protocol, lease.host_address, host_port);
  RETURN_IF_ERROR(
      Amend(lease.vm_id, [&port](const VmRecord&) -> absl::StatusOr<std::optional<Note>> {
        return Note{.kind = "port-released", .message = port};
      }).status());
  return write.Commit();
}

absl::StatusOr<Forward> Store::AddForward(const Forward& wanted, PortRange any) {
  Forward forward = wanted;
  ASSIGN_OR_RETURN(forward.id, TimeOrderedUuid());
  const auto edit = [this, any, &forward](const VmRecord&) -> absl::StatusOr<std::optional<Note>> {
    if (const auto protocol = ProtocolHeld(forward); protocol.has_value()) {
      ASSIGN_OR_RETURN(const PortLease lease,
                       ports_.Lease({.protocol = *protocol,
                                     .host_address = forward.host.ip,
                                     .host_port = forward.host.port,
                                     .vm_id = forward.vm_id,
                                     .guest_target = DescribeSide(forward.guest),
                                     .purpose = "forward"},
                                    any));
      forward.host.ip = lease.host_address;
      forward.host.port = lease.host_port;
    }
    RETURN_IF_ERROR(forwards_.Insert(forward));
    return Note{.kind = "forward-added", .message = DescribeForward(forward)};
  };
  RETURN_IF_ERROR(Amend(wanted.vm_id, edit).status());
  return forward;
}

absl::StatusOr<Forward> Store::RemoveForward(std::string_view id) {
  ASSIGN_OR_RETURN(Write write, writer_.Begin());
  ASSIGN_OR_RETURN(const Forward forward, forwards_.Remove(id));
  if (const auto protocol = ProtocolHeld(forward); protocol.has_value()) {
    RETURN_IF_ERROR(ports_.Release(*protocol, forward.host.ip, forward.host.port).status());
  }
  RETURN_IF_ERROR(
      Amend(forward.vm_id, [&forward](const VmRecord&) -> absl::StatusOr<std::optional<Note>> {
        return Note{.kind = "forward-removed", .message = DescribeForward(forward)};
      }).status());
  RETURN_IF_ERROR(write.Commit());
  return forward;
}

absl::StatusOr<std::vector<RowAnomaly>> Store::CheckRows() { return state::CheckRows(*database_); }

absl::StatusOr<VmRecord> Store::RepairLease(std::string_view vm_id) {
  return Amend(vm_id, [this](const VmRecord& before) -> absl::StatusOr<std::optional<Note>> {
    std::string repaired;
    if (before.guest_cid == 0) {
      ASSIGN_OR_RETURN(const uint32_t cid, cids_.Lease(before.id));
      repaired = fmt::format("CID {}", cid);
    }
    if (!before.address.has_value() || before.address->subnet != subnet()) {
      RETURN_IF_ERROR(blocks_.Drop(before.id));
      ASSIGN_OR_RETURN(const AddressLease block, blocks_.Lease(before.id));
      repaired += fmt::format("{}block {} of {}", repaired.empty() ? "" : ", ", block.block_index,
                              block.subnet.ToString());
    }
    if (repaired.empty()) return std::nullopt;
    return Note{.kind = "leases-repaired", .message = repaired + " leased again"};
  });
}

}  // namespace ember::state
