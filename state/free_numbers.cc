#include "state/free_numbers.h"

#include "base/check.h"

namespace ember::state {

std::optional<uint64_t> FreeNumbers::LowestGap() const {
  return gaps_.empty() ? std::nullopt : std::optional(*gaps_.begin());
}

void FreeNumbers::Leased(uint64_t number) {
  const bool gap = gaps_.erase(number) > 0;
  EMBER_CHECK(gap || number >= edge_);
  if (!gap) edge_ = number + 1;
  changes_.push_back({.number = number, .leased = true});
}

void FreeNumbers::Released(uint64_t number) {
  if (number >= edge_) return;
  gaps_.insert(number);
  changes_.push_back({.number = number, .leased = false});
}

void FreeNumbers::RollBack(size_t mark) {
  while (changes_.size() > mark) {
    const Change change = changes_.back();
    changes_.pop_back();
    // The edge stays: a number that was leased there is a gap below it now.
    if (change.leased) {
      gaps_.insert(change.number);
    } else {
      gaps_.erase(change.number);
    }
  }
}

}  // namespace ember::state
