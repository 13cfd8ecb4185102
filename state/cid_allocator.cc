#include "state/cid_allocator.h"

#include "base/check.h"
#include "base/status.h"

namespace ember::state {
namespace {

// The number after the first lease that has no neighbour above it; before that, the first number
// where nobody has it. Both run along the primary key and stop at the first gap.
constexpr std::string_view kLowestFreeCid = R"sql(
  SELECT CASE
    WHEN NOT EXISTS (SELECT 1 FROM cid_lease WHERE cid = ?1) THEN ?1
    ELSE (SELECT taken.cid + 1 FROM cid_lease AS taken
          WHERE taken.cid >= ?1
            AND NOT EXISTS (SELECT 1 FROM cid_lease WHERE cid = taken.cid + 1)
          ORDER BY taken.cid LIMIT 1)
  END
)sql";

}  // namespace

absl::StatusOr<uint64_t> CidAllocator::LowestFree() {
  if (const auto gap = free_.LowestGap(); gap.has_value()) return *gap;
  ASSIGN_OR_RETURN(Statement lowest, database_.Prepare(kLowestFreeCid));
  RETURN_IF_ERROR(lowest.Bind(free_.edge()));
  ASSIGN_OR_RETURN(const bool row, lowest.Next());
  EMBER_CHECK(row);
  return static_cast<uint64_t>(lowest.Int64(0));
}

absl::StatusOr<uint32_t> CidAllocator::Lease(std::string_view vm_id) {
  EMBER_CHECK(database_.in_transaction());
  ASSIGN_OR_RETURN(const uint64_t cid, LowestFree());
  if (cid > cids_.last) {
    return WithReason(
        ResourceExhausted("no free guest CID: all of {} to {} are taken", cids_.first, cids_.last),
        "NO_FREE_CID");
  }
  ASSIGN_OR_RETURN(Statement insert,
                   database_.Prepare("INSERT INTO cid_lease (cid, vm_id) VALUES (?1, ?2)"));
  RETURN_IF_ERROR(insert.Run(cid, vm_id));
  free_.Leased(cid);
  return static_cast<uint32_t>(cid);
}

}  // namespace ember::state
