#pragma once

#include <cstdint>
#include <string_view>

#include "absl/status/statusor.h"
#include "state/database.h"
#include "state/free_numbers.h"
#include "state/subnet.h"
#include "state/vm_record.h"

namespace ember::state {

// Hands out the /30 blocks of one subnet as leases, the way CidAllocator hands out context ids.
// Every function is a part of the caller's transaction. Lives where its database lives.
class AddressAllocator {
 public:
  // Borrows `database`.
  AddressAllocator(Database& database, const Subnet& subnet)
      : database_(database), subnet_(subnet), free_(0) {}

  // Leases the lowest free block to the VM. A VM has at most one: a second is AlreadyExists.
  // ResourceExhausted (reason NO_FREE_BLOCK) when all are taken. Before: the VM's row is there, a
  // transaction is open.
  absl::StatusOr<AddressLease> Lease(std::string_view vm_id);

  // Drops whatever lease the VM has; OK when it has none.
  absl::Status Drop(std::string_view vm_id);

  // The VM that had this lease goes, and the lease's row with it.
  void Released(const AddressLease& lease);

  const Subnet& subnet() const { return subnet_; }
  // Has to follow the transactions.
  FreeNumbers& free_numbers() { return free_; }

 private:
  absl::StatusOr<uint64_t> LowestFree();

  Database& database_;
  Subnet subnet_;
  FreeNumbers free_;
};

}  // namespace ember::state
