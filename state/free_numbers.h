#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <vector>

namespace ember::state {

// What memory knows of the free numbers of a table of leases, so that the lowest is found without a
// look at all rows. Below the *edge* every number is leased except for the *gaps*, which are kept
// here; nothing is known of the edge and above. A new one knows nothing: its edge is the lowest
// number there is, and whoever finds a lease there moves it up, so each row is looked at once.
//
// It follows a transaction: what Leased and Released tell is taken back by RollBack, and can no
// longer be once Committed. Not thread-safe.
class FreeNumbers {
 public:
  explicit FreeNumbers(uint64_t lowest) : edge_(lowest) {}

  // The lowest free number below the edge, if there is one.
  std::optional<uint64_t> LowestGap() const;
  // Where to go on looking when there is none.
  uint64_t edge() const { return edge_; }

  // `number` was free and is leased now: a gap, or the first free one from the edge on.
  void Leased(uint64_t number);
  void Released(uint64_t number);

  // What RollBack(Mark()) takes back is what comes in between.
  size_t Mark() const { return changes_.size(); }
  void RollBack(size_t mark);
  void Committed() { changes_.clear(); }

 private:
  struct Change {
    uint64_t number;
    bool leased;
  };

  uint64_t edge_;
  std::set<uint64_t> gaps_;      // all are below edge_
  std::vector<Change> changes_;  // of the open transaction, in order
};

}  // namespace ember::state
