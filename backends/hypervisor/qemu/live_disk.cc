#include "backends/hypervisor/qemu/live_disk.h"

#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "backends/hypervisor/qemu/disk_node.h"
#include "base/status.h"
#include "base/status_macros.h"

namespace ember::hypervisor {
namespace {

using nlohmann::json;

// A value of `object` as it should be, or nothing: QEMU's answers are not trusted to be complete.
const json& Member(const json& object, const char* key) {
  static const json kNone;
  if (!object.is_object()) return kNone;
  const auto found = object.find(key);
  return found == object.end() ? kNone : *found;
}

std::string Text(const json& value) {
  return value.is_string() ? value.get<std::string>() : std::string();
}

// Which of the nodes of a disk it is: 0 for the one that the machine started with. Nothing for a
// node of another disk.
std::optional<uint32_t> NumberOf(std::string_view node, std::string_view disk) {
  if (node == disk) return 0;
  if (!node.starts_with(disk) || !node.substr(disk.size()).starts_with('-')) return std::nullopt;
  const std::string_view digits = node.substr(disk.size() + 1);
  uint32_t number = 0;
  const auto end = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  const bool whole = end.ec == std::errc() && end.ptr == digits.data() + digits.size();
  return whole ? std::optional(number) : std::nullopt;
}

// The name of a node's file. A node over another is called by a description of both, so the one
// that stands for the file itself is asked; machines of older daemons have no name for that.
absl::StatusOr<std::filesystem::path> FileOf(QmpClient& qemu, const std::string& node,
                                             const json& inserted,
                                             const Cancellation& cancellation) {
  ASSIGN_OR_RETURN(const json nodes,
                   qemu.Execute("query-named-block-nodes", {{"flat", true}}, cancellation));
  for (const json& one : nodes) {
    if (Text(Member(one, "node-name")) == FileNodeName(node)) return Text(Member(one, "file"));
  }
  return Text(Member(inserted, "file"));
}

}  // namespace

absl::StatusOr<DiskInUse> FindDisk(QmpClient& qemu, size_t position,
                                   const Cancellation& cancellation) {
  const std::string name = DiskNodeName(position);
  ASSIGN_OR_RETURN(const json devices, qemu.Execute("query-block", json(), cancellation));
  for (const json& device : devices) {
    const json& inserted = Member(device, "inserted");
    DiskInUse disk;
    disk.node = Text(Member(inserted, "node-name"));
    if (!NumberOf(disk.node, name).has_value()) continue;
    const json& size = Member(Member(inserted, "image"), "virtual-size");
    if (!size.is_number_unsigned()) return DataLoss("QEMU does not tell the size of {}", name);
    disk.bytes = size.get<uint64_t>();
    ASSIGN_OR_RETURN(disk.file, FileOf(qemu, disk.node, inserted, cancellation));
    return disk;
  }
  return NotFound("the machine has no disk {}", position);
}

absl::Status PutOverDisk(QmpClient& qemu, size_t position, const DiskSpec& overlay,
                         const Cancellation& cancellation) {
  ASSIGN_OR_RETURN(const DiskInUse disk, FindDisk(qemu, position, cancellation));
  const std::string name = DiskNodeName(position);
  const std::string node = fmt::format("{}-{}", name, *NumberOf(disk.node, name) + 1);
  json options = DiskNode(overlay, node);
  // Not the file that the overlay names: what it lies over is open already.
  options["backing"] = json();
  RETURN_IF_ERROR(qemu.Execute("blockdev-add", options, cancellation).status());
  absl::Status switched =
      qemu.Execute("blockdev-snapshot", {{"node", disk.node}, {"overlay", node}}, cancellation)
          .status();
  // A conversation that broke off can't undo anything, and a node in use is not deleted.
  if (!switched.ok()) {
    qemu.Execute("blockdev-del", {{"node-name", node}}, cancellation).status().IgnoreError();
  }
  return switched;
}

absl::Status GrowDisk(QmpClient& qemu, size_t position, uint64_t bytes,
                      const Cancellation& cancellation) {
  ASSIGN_OR_RETURN(const DiskInUse disk, FindDisk(qemu, position, cancellation));
  if (bytes < disk.bytes) {
    return InvalidArgument("disk {} has {} bytes already: it does not shrink to {}", position,
                           disk.bytes, bytes);
  }
  return qemu.Execute("block_resize", {{"node-name", disk.node}, {"size", bytes}}, cancellation)
      .status();
}

}  // namespace ember::hypervisor
