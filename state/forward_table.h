#pragma once

#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "state/database.h"
#include "state/forward.h"

namespace ember::state {

// The rows of table forward. Every function is a part of the caller's transaction. Lives where its
// database lives.
class ForwardTable {
 public:
  // Borrows `database`.
  explicit ForwardTable(Database& database) : database_(database) {}

  // A path of the host that another forward listens at, or a guest's address that its VM listens
  // at already: AlreadyExists (reason FORWARD_EXISTS). Before: the VM's row is there, and the port
  // of the host, where one is held, is leased.
  absl::Status Insert(const Forward& forward);

  // Answers the forward that was. NotFound (reason FORWARD_NOT_FOUND).
  absl::StatusOr<Forward> Remove(std::string_view id);

  // Of one VM, or with an empty id of all; oldest first.
  absl::StatusOr<std::vector<Forward>> List(std::string_view vm_id);

 private:
  absl::Status CheckFree(const Forward& forward);

  Database& database_;
};

}  // namespace ember::state
