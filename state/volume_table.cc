#include "state/volume_table.h"

#include <utility>

#include "base/status.h"
#include "base/status_macros.h"
#include "state/quotable.h"
#include "state/timestamp.h"

namespace ember::state {
namespace {

constexpr std::string_view kSelect =
    "SELECT volume.name, volume.state, size_bytes, filesystem, volume.created_at, vm_id, vm.name"
    " FROM volume LEFT JOIN volume_attachment ON volume_attachment.volume = volume.name"
    " LEFT JOIN vm ON vm.id = vm_id ";

absl::StatusOr<DataVolume> ReadVolume(const Statement& row) {
  DataVolume volume;
  volume.name = row.Text(0);
  const auto state = ParseVolumeState(row.Text(1));
  if (!state.has_value()) {
    return DataLoss("volume '{}': unknown state '{}'", volume.name, row.Text(1));
  }
  volume.state = *state;
  volume.size_bytes = static_cast<uint64_t>(row.Int64(2));
  volume.filesystem = row.Text(3);
  volume.created_at = FromMicros(row.Int64(4));
  volume.vm_id = row.Text(5);
  volume.vm_name = row.Text(6);
  return volume;
}

absl::Status NoSuchVolume(std::string_view name) {
  return WithMetadata(
      WithReason(WithHint(NotFound("volume '{}' not found", Quotable(name)),
                          "list the volumes there are: ember volume list; make one: ember volume "
                          "create NAME --size 10G"),
                 "VOLUME_NOT_FOUND"),
      "volume", name);
}

}  // namespace

absl::Status VolumeInUse(const DataVolume& volume) {
  const absl::Status status =
      volume.vm_name.empty()
          ? WithHint(FailedPrecondition("volume '{}' is {} just now", volume.name,
                                        VolumeStateName(volume.state)),
                     "try again when that is done: ember volume list")
          : WithHint(FailedPrecondition("volume '{}' is attached to vm '{}'", volume.name,
                                        volume.vm_name),
                     fmt::format("a volume is in one VM at a time, until that is deleted: ember vm "
                                 "delete {}",
                                 volume.vm_name));
  return WithMetadata(WithReason(status, "VOLUME_IN_USE"), "vm", volume.vm_name);
}

absl::StatusOr<DataVolume> VolumeTable::Insert(const NewVolume& volume) {
  const auto there = Get(volume.name);
  if (there.ok()) {
    return WithReason(WithHint(AlreadyExists("volume '{}' already exists", volume.name),
                               fmt::format("choose another name, or delete it first: ember volume "
                                           "delete {}",
                                           volume.name)),
                      "VOLUME_EXISTS");
  }
  if (!absl::IsNotFound(there.status())) return there.status();
  ASSIGN_OR_RETURN(Statement insert,
                   database_.Prepare("INSERT INTO volume (name, state, size_bytes, filesystem,"
                                     " created_at) VALUES (?1, 'creating', ?2, ?3, ?4)"));
  RETURN_IF_ERROR(insert.Run(volume.name, volume.size_bytes, volume.filesystem, NowMicros()));
  return Get(volume.name);
}

absl::StatusOr<DataVolume> VolumeTable::Get(std::string_view name) {
  ASSIGN_OR_RETURN(Statement query,
                   database_.Prepare(fmt::format("{}WHERE volume.name = ?1", kSelect)));
  RETURN_IF_ERROR(query.Bind(name));
  ASSIGN_OR_RETURN(const bool row, query.Next());
  if (!row) return NoSuchVolume(name);
  return ReadVolume(query);
}

absl::StatusOr<std::vector<DataVolume>> VolumeTable::List() {
  ASSIGN_OR_RETURN(Statement query,
                   database_.Prepare(fmt::format("{}ORDER BY volume.name", kSelect)));
  RETURN_IF_ERROR(query.Bind());
  std::vector<DataVolume> volumes;
  while (true) {
    ASSIGN_OR_RETURN(const bool row, query.Next());
    if (!row) return volumes;
    ASSIGN_OR_RETURN(DataVolume volume, ReadVolume(query));
    volumes.push_back(std::move(volume));
  }
}

absl::Status VolumeTable::SetState(std::string_view name, VolumeState state) {
  ASSIGN_OR_RETURN(Statement update,
                   database_.Prepare("UPDATE volume SET state = ?2 WHERE name = ?1"));
  return update.Run(name, VolumeStateName(state));
}

absl::Status VolumeTable::FinishOf(std::string_view vm_id) {
  ASSIGN_OR_RETURN(Statement update,
                   database_.Prepare("UPDATE volume SET state = 'ready' WHERE state = 'creating'"
                                     " AND name IN (SELECT volume FROM volume_attachment"
                                     " WHERE vm_id = ?1)"));
  return update.Run(vm_id);
}

absl::Status VolumeTable::Delete(std::string_view name) {
  ASSIGN_OR_RETURN(Statement remove, database_.Prepare("DELETE FROM volume WHERE name = ?1"));
  return remove.Run(name);
}

absl::Status VolumeTable::DropOf(std::string_view vm_id) {
  ASSIGN_OR_RETURN(const std::vector<VolumeAttachment> attached, AttachmentsOf(vm_id));
  {
    ASSIGN_OR_RETURN(Statement detach,
                     database_.Prepare("DELETE FROM volume_attachment WHERE vm_id = ?1"));
    RETURN_IF_ERROR(detach.Run(vm_id));
  }
  for (const VolumeAttachment& attachment : attached) {
    ASSIGN_OR_RETURN(Statement remove, database_.Prepare("DELETE FROM volume WHERE name = ?1"
                                                         " AND state = 'creating'"));
    RETURN_IF_ERROR(remove.Run(attachment.volume));
  }
  return absl::OkStatus();
}

absl::Status VolumeTable::Attach(std::string_view vm_id,
                                 const std::vector<VolumeAttachment>& volumes) {
  for (size_t position = 0; position < volumes.size(); ++position) {
    const VolumeAttachment& attachment = volumes[position];
    ASSIGN_OR_RETURN(const DataVolume volume, Get(attachment.volume));
    if (!volume.vm_id.empty() || volume.state == VolumeState::kDeleting) return VolumeInUse(volume);
    ASSIGN_OR_RETURN(Statement insert,
                     database_.Prepare("INSERT INTO volume_attachment (vm_id, position, volume,"
                                       " mount_path, read_only) VALUES (?1, ?2, ?3, ?4, ?5)"));
    RETURN_IF_ERROR(insert.Run(vm_id, position, attachment.volume, attachment.mount_path,
                               attachment.read_only));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<VolumeAttachment>> VolumeTable::AttachmentsOf(std::string_view vm_id) {
  ASSIGN_OR_RETURN(Statement query,
                   database_.Prepare("SELECT volume, mount_path, read_only, size_bytes"
                                     " FROM volume_attachment JOIN volume ON name = volume"
                                     " WHERE vm_id = ?1 ORDER BY position"));
  RETURN_IF_ERROR(query.Bind(vm_id));
  std::vector<VolumeAttachment> volumes;
  while (true) {
    ASSIGN_OR_RETURN(const bool row, query.Next());
    if (!row) return volumes;
    volumes.push_back({.volume = query.Text(0),
                       .mount_path = query.Text(1),
                       .read_only = query.Int64(2) != 0,
                       .size_bytes = static_cast<uint64_t>(query.Int64(3))});
  }
}

}  // namespace ember::state
