#pragma once

#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "tests/state/store_context.h"
#include "tests/support/catch.h"

namespace ember::state {

// VMs without leases, in the open file.
struct LeaseContext : StoreContext {
  explicit LeaseContext(int vms = 3) {
    REQUIRE_OK(store->BeginBatch());
    for (int i = 0; i < vms; ++i) ids.push_back(Create(fmt::format("vm{}", i)).id);
    REQUIRE_OK(store->CommitBatch());
    database = OpenRaw();
    REQUIRE_OK(database->Execute("DELETE FROM cid_lease; DELETE FROM address_lease"));
  }
  absl::Status Run(const std::string& sql) { return database->Execute(sql); }
  int64_t Count(std::string_view table) {
    return testing::ValueOf(database->QueryInt64(fmt::format("SELECT count(*) FROM {}", table)));
  }

  std::vector<std::string> ids;
  std::unique_ptr<Database> database;
};

// Random leases and releases against a model, in transactions of which some are rolled back. Every
// number has to be the lowest that the model has free.
class RandomLeases {
 public:
  // `first` is the lowest number that there is.
  RandomLeases(LeaseContext& context, uint64_t first, uint32_t seed)
      : context_(context), first_(first), random_(seed) {}

  // `lease` takes a vm's id and answers its number; `release` takes both.
  template <typename Lease, typename Release>
  void Run(FreeNumbers& free, int transactions, Lease lease, Release release) {
    for (int i = 0; i < transactions; ++i) {
      const std::map<uint64_t, std::string> before = leased_;
      const size_t mark = free.Mark();
      Transaction transaction = testing::ValueOf(Transaction::Begin(*context_.database));
      for (uint32_t step = random_() % 6; step > 0; --step) Step(lease, release);
      if (random_() % 3 == 0) {
        free.RollBack(mark);
        leased_ = before;
      } else {
        REQUIRE_OK(transaction.Commit());
        free.Committed();
      }
    }
  }

 private:
  template <typename Lease, typename Release>
  void Step(Lease lease, Release release) {
    const std::string& vm = context_.ids[random_() % context_.ids.size()];
    for (auto held = leased_.begin(); held != leased_.end(); ++held) {
      if (held->second != vm) continue;
      release(vm, held->first);
      leased_.erase(held);
      return;
    }
    uint64_t lowest = first_;
    while (leased_.contains(lowest)) ++lowest;
    REQUIRE(lease(vm) == lowest);
    leased_.emplace(lowest, vm);
  }

  LeaseContext& context_;
  uint64_t first_;
  std::mt19937 random_;
  std::map<uint64_t, std::string> leased_;  // by number
};

}  // namespace ember::state
