#pragma once

#include <cstdint>
#include <string_view>

#include "absl/status/statusor.h"
#include "state/database.h"
#include "state/free_numbers.h"

namespace ember::state {

// The context ids that guests may have, both ends included.
struct CidRange {
  uint32_t first = 3;          // 0 to 2 are the hypervisor, local and host
  uint32_t last = 0xFFFFFFFE;  // 0xFFFFFFFF means any
};

// Hands out context ids as leases: rows that belong to a VM, go with it, and that SQLite itself
// refuses to double (schema.sql). Every function is a part of the caller's transaction, together
// with the row that explains the lease. Lives where its database lives.
class CidAllocator {
 public:
  // Borrows `database`. A narrower range than the whole is for tests.
  explicit CidAllocator(Database& database, CidRange cids = {})
      : database_(database), cids_(cids), free_(cids.first) {}

  // Leases the lowest free context id to the VM. A VM has at most one: a second is AlreadyExists.
  // ResourceExhausted (reason NO_FREE_CID) when all are taken. Before: the VM's row is there, a
  // transaction is open.
  absl::StatusOr<uint32_t> Lease(std::string_view vm_id);

  // The VM that had `cid` goes, and the lease's row with it.
  void Released(uint32_t cid) { free_.Released(cid); }

  // Has to follow the transactions.
  FreeNumbers& free_numbers() { return free_; }

 private:
  absl::StatusOr<uint64_t> LowestFree();

  Database& database_;
  CidRange cids_;
  FreeNumbers free_;
};

}  // namespace ember::state
