#pragma once

#include <cstdint>
#include <string_view>

#include "absl/status/statusor.h"
#include "state/database.h"

namespace ember::state {

// The context ids that guests may have, both ends included.
struct CidRange {
  uint32_t first = 3;          // 0 to 2 are the hypervisor, local and host
  uint32_t last = 0xFFFFFFFE;  // 0xFFFFFFFF means any
};

// Hands out numbers as leases: rows that belong to a VM, go with it, and that SQLite itself refuses
// to double (schema.sql). Every function takes its lease inside the caller's transaction, together
// with the row that explains it. Lives where its database lives.
class Allocator {
 public:
  // Borrows `database`. A narrower range than the whole is for tests.
  explicit Allocator(Database& database, CidRange cids = {}) : database_(database), cids_(cids) {}

  // Leases the lowest free context id to the VM. A VM has at most one: a second is AlreadyExists.
  // ResourceExhausted (reason NO_FREE_CID) when all are taken. Before: the VM's row is there, a
  // transaction is open.
  absl::StatusOr<uint32_t> LeaseCid(std::string_view vm_id);

 private:
  Database& database_;
  CidRange cids_;
};

}  // namespace ember::state
