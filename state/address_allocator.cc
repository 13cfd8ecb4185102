#include "state/address_allocator.h"

#include "base/check.h"
#include "base/status.h"

namespace ember::state {
namespace {

// As for context ids: along the primary key to the first gap.
constexpr std::string_view kLowestFreeBlock = R"sql(
  SELECT CASE
    WHEN NOT EXISTS (SELECT 1 FROM address_lease WHERE subnet = ?1 AND block_index = ?2) THEN ?2
    ELSE (SELECT taken.block_index + 1 FROM address_lease AS taken
          WHERE taken.subnet = ?1 AND taken.block_index >= ?2
            AND NOT EXISTS (SELECT 1 FROM address_lease
                            WHERE subnet = ?1 AND block_index = taken.block_index + 1)
          ORDER BY taken.block_index LIMIT 1)
  END
)sql";

}  // namespace

absl::StatusOr<uint64_t> AddressAllocator::LowestFree() {
  if (const auto gap = free_.LowestGap(); gap.has_value()) return *gap;
  ASSIGN_OR_RETURN(Statement lowest, database_.Prepare(kLowestFreeBlock));
  RETURN_IF_ERROR(lowest.Bind(subnet_.ToString(), free_.edge()));
  ASSIGN_OR_RETURN(const bool row, lowest.Next());
  EMBER_CHECK(row);
  return static_cast<uint64_t>(lowest.Int64(0));
}

absl::StatusOr<AddressLease> AddressAllocator::Lease(std::string_view vm_id) {
  EMBER_CHECK(database_.in_transaction());
  ASSIGN_OR_RETURN(const uint64_t block, LowestFree());
  if (block >= subnet_.blocks()) {
    return WithReason(
        WithHint(ResourceExhausted("no free /30 blocks in {} (all {} blocks allocated)",
                                   subnet_.ToString(), subnet_.blocks()),
                 "delete VMs that are no longer needed: ember vm list, ember vm delete NAME"),
        "NO_FREE_BLOCK");
  }
  ASSIGN_OR_RETURN(Statement insert,
                   database_.Prepare("INSERT INTO address_lease (subnet, block_index, vm_id)"
                                     " VALUES (?1, ?2, ?3)"));
  RETURN_IF_ERROR(insert.Run(subnet_.ToString(), block, vm_id));
  free_.Leased(block);
  return AddressLease{.subnet = subnet_, .block_index = static_cast<uint32_t>(block)};
}

absl::Status AddressAllocator::Drop(std::string_view vm_id) {
  ASSIGN_OR_RETURN(Statement remove,
                   database_.Prepare("DELETE FROM address_lease WHERE vm_id = ?1"));
  return remove.Run(vm_id);
}

void AddressAllocator::Released(const AddressLease& lease) {
  if (lease.subnet == subnet_) free_.Released(lease.block_index);
}

}  // namespace ember::state
