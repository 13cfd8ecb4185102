#include "state/forward_table.h"

#include <optional>
#include <string>

#include "base/status.h"
#include "base/status_macros.h"
#include "state/quotable.h"

namespace ember::state {
namespace {

constexpr std::string_view kColumns =
    "id, vm_id, reverse, host_kind, host_ip, host_port, host_path, guest_kind, guest_port,"
    " guest_path";

// What a side has in columns of its own; the others are NULL.
std::optional<std::string> IpOf(const ForwardSide& side) {
  return side.kind == SocketKind::kUnix ? std::nullopt : std::optional(side.ip);
}
std::optional<int64_t> PortOf(const ForwardSide& side) {
  return side.kind == SocketKind::kUnix ? std::nullopt : std::optional<int64_t>(side.port);
}
std::optional<std::string> PathOf(const ForwardSide& side) {
  return side.kind == SocketKind::kUnix ? std::optional(side.path) : std::nullopt;
}

absl::StatusOr<SocketKind> ReadKind(const Statement& row, int column) {
  const auto kind = ParseSocketKind(row.Text(column));
  if (kind.has_value()) return *kind;
  return DataLoss("unknown kind of socket '{}'", row.Text(column));
}

absl::StatusOr<Forward> ReadForward(const Statement& row) {
  Forward forward;
  forward.id = row.Text(0);
  forward.vm_id = row.Text(1);
  forward.reverse = row.Int64(2) != 0;
  ASSIGN_OR_RETURN(forward.host.kind, ReadKind(row, 3));
  forward.host.ip = row.Text(4);
  forward.host.port = static_cast<uint16_t>(row.Int64(5));
  forward.host.path = row.Text(6);
  ASSIGN_OR_RETURN(forward.guest.kind, ReadKind(row, 7));
  forward.guest.port = static_cast<uint16_t>(row.Int64(8));
  forward.guest.path = row.Text(9);
  return forward;
}

}  // namespace

absl::Status ForwardTable::Insert(const Forward& forward) {
  RETURN_IF_ERROR(CheckFree(forward));
  ASSIGN_OR_RETURN(
      Statement insert,
      database_.Prepare("INSERT INTO forward (id, vm_id, reverse, host_kind, host_ip, host_port,"
                        " host_path, guest_kind, guest_port, guest_path)"
                        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)"));
  return insert.Run(forward.id, forward.vm_id, forward.reverse ? 1 : 0,
                    SocketKindName(forward.host.kind), IpOf(forward.host), PortOf(forward.host),
                    PathOf(forward.host), SocketKindName(forward.guest.kind), PortOf(forward.guest),
                    PathOf(forward.guest));
}

// The same as the indices forward_path and forward_guest say, in words.
absl::Status ForwardTable::CheckFree(const Forward& forward) {
  const bool path = !forward.reverse && forward.host.kind == SocketKind::kUnix;
  if (!path && !forward.reverse) return absl::OkStatus();  // its lease has been looked at
  const std::string_view query =
      path ? "SELECT name, forward.id FROM forward JOIN vm ON vm.id = vm_id"
             " WHERE reverse = 0 AND host_path = ?1"
           : "SELECT name, forward.id FROM forward JOIN vm ON vm.id = vm_id"
             " WHERE reverse = 1 AND vm_id = ?1 AND coalesce(guest_path, guest_port) = ?2";
  ASSIGN_OR_RETURN(Statement holder, database_.Prepare(query));
  if (path) {
    RETURN_IF_ERROR(holder.Bind(forward.host.path));
  } else if (forward.guest.kind == SocketKind::kUnix) {
    RETURN_IF_ERROR(holder.Bind(forward.vm_id, forward.guest.path));
  } else {
    RETURN_IF_ERROR(holder.Bind(forward.vm_id, forward.guest.port));
  }
  ASSIGN_OR_RETURN(const bool taken, holder.Next());
  if (!taken) return absl::OkStatus();
  const std::string vm = holder.Text(0);
  const absl::Status status = WithHint(
      AlreadyExists("{} is held by a forward of vm '{}'",
                    Quotable(path ? forward.host.path : DescribeSide(forward.guest)), vm),
      fmt::format("choose another, or remove that one: ember forward remove {}", holder.Text(1)));
  return WithMetadata(WithReason(status, "FORWARD_EXISTS"), "vm", vm);
}

absl::StatusOr<Forward> ForwardTable::Remove(std::string_view id) {
  ASSIGN_OR_RETURN(
      Statement remove,
      database_.Prepare(fmt::format("DELETE FROM forward WHERE id = ?1 RETURNING {}", kColumns)));
  RETURN_IF_ERROR(remove.Bind(id));
  ASSIGN_OR_RETURN(const bool row, remove.Next());
  if (row) return ReadForward(remove);
  return WithReason(WithHint(NotFound("forward '{}' not found", Quotable(id)),
                             "list the forwards there are: ember forward list"),
                    "FORWARD_NOT_FOUND");
}

absl::StatusOr<std::vector<Forward>> ForwardTable::List(std::string_view vm_id) {
  ASSIGN_OR_RETURN(Statement query,
                   database_.Prepare(fmt::format("SELECT {} FROM forward {} ORDER BY id", kColumns,
                                                 vm_id.empty() ? "" : "WHERE vm_id = ?1")));
  RETURN_IF_ERROR(vm_id.empty() ? query.Bind() : query.Bind(vm_id));
  std::vector<Forward> forwards;
  while (true) {
    ASSIGN_OR_RETURN(const bool row, query.Next());
    if (!row) return forwards;
    ASSIGN_OR_RETURN(Forward forward, ReadForward(query));
    forwards.push_back(std::move(forward));
  }
}

}  // namespace ember::state
