#include "state/address_allocator.h"

#include "tests/state/lease_context.h"
#include "tests/support/catch.h"

namespace ember::state {
namespace {

using testing::ValueOf;

Subnet Net(std::string_view text) { return ValueOf(Subnet::Parse(text)); }

uint32_t BlockOf(const VmRecord& vm) {
  REQUIRE(vm.address.has_value());
  return vm.address->block_index;
}

TEST_CASE("blocks are given out from 0, lowest first, and reused", "[state][address]") {
  StoreContext context;
  std::vector<VmRecord> vms;
  for (const char* name : {"a", "b", "c", "d"}) vms.push_back(context.Create(name));
  CHECK(vms[0].address == AddressLease{.subnet = Subnet::Default(), .block_index = 0});
  CHECK(BlockOf(vms[3]) == 3);
  context.Delete(vms[2]);
  context.Delete(vms[0]);
  CHECK(BlockOf(context.Create("e")) == 0);
  context.Reopen();
  CHECK(BlockOf(context.Create("f")) == 2);
  CHECK(BlockOf(context.Create("g")) == 4);
}

TEST_CASE("running out of blocks is told, and creates nothing", "[state][address]") {
  StoreContext context(StoreOptions{.subnet = Net("10.9.0.0/29")});
  const VmRecord first = context.Create("a");
  CHECK(BlockOf(context.Create("b")) == 1);
  NewVm vm;
  vm.name = "c";
  const absl::Status status = context.store->CreateVm(vm).status();
  CHECK(status.code() == absl::StatusCode::kResourceExhausted);
  CHECK(Message(status) == "no free /30 blocks in 10.9.0.0/29 (all 2 blocks allocated)");
  CHECK(ReasonOf(status) == "NO_FREE_BLOCK");
  CHECK(HintOf(status).has_value());
  CHECK(ValueOf(context.store->ListVms()).size() == 2);
  context.Delete(first);
  const VmRecord next = context.Create("c");
  CHECK(BlockOf(next) == 0);
  CHECK(next.guest_cid == first.guest_cid);
}

TEST_CASE("the subnet stays what it was at the first open", "[state][address]") {
  StoreContext context(StoreOptions{.subnet = Net("10.9.0.0/24")});
  CHECK(context.store->subnet() == Net("10.9.0.0/24"));
  context.Create("a");
  context.options.subnet.reset();
  context.Reopen();
  CHECK(context.store->subnet() == Net("10.9.0.0/24"));
  CHECK(context.Create("b").address->subnet == Net("10.9.0.0/24"));
}

TEST_CASE("another subnet is refused while a block is leased", "[state][address]") {
  StoreContext context;
  const VmRecord vm = context.Create("a");
  context.Close();
  const StoreOptions other = {.subnet = Net("10.9.0.0/24")};
  const absl::Status status = Store::Open(context.dir.path(), other).status();
  CHECK(status.code() == absl::StatusCode::kFailedPrecondition);
  CHECK(Message(status) == "subnet mismatch: state has '10.100.0.0/16', requested '10.9.0.0/24'");
  CHECK(ReasonOf(status) == "SUBNET_MISMATCH");
  CHECK(HintOf(status)->find("10.100.0.0/16") != std::string::npos);

  context.Reopen();
  CHECK(context.store->subnet() == Subnet::Default());
  context.Delete(vm);
  context.options = other;
  context.Reopen();
  CHECK(context.store->subnet() == Net("10.9.0.0/24"));
  CHECK(context.Create("b").address ==
        AddressLease{.subnet = Net("10.9.0.0/24"), .block_index = 0});
}

TEST_CASE("the last block of the largest subnet is there", "[state][address]") {
  LeaseContext context;
  const Subnet all = Net("0.0.0.0/0");
  AddressAllocator allocator(*context.database, all);
  // Never reached by leasing from the bottom: all below are taken for granted.
  allocator.free_numbers().Leased(all.blocks() - 2);
  Transaction transaction = ValueOf(Transaction::Begin(*context.database));
  const AddressLease last = ValueOf(allocator.Lease(context.ids[0]));
  CHECK(last.subnet.GuestAddress(last.block_index) == "255.255.255.254");
  CHECK(allocator.Lease(context.ids[1]).status().code() == absl::StatusCode::kResourceExhausted);
}

TEST_CASE("random leases of blocks are the lowest ones, whatever is rolled back",
          "[state][address]") {
  const uint32_t seed = std::random_device()();
  INFO("seed " << seed);
  LeaseContext context(40);
  AddressAllocator allocator(*context.database, Subnet::Default());
  RandomLeases(context, 0, seed)
      .Run(
          allocator.free_numbers(), 300,
          [&allocator](const std::string& vm) -> uint64_t {
            return ValueOf(allocator.Lease(vm)).block_index;
          },
          [&allocator](const std::string& vm, uint64_t block) {
            REQUIRE_OK(allocator.Drop(vm));
            allocator.Released(
                {.subnet = allocator.subnet(), .block_index = static_cast<uint32_t>(block)});
          });
}

}  // namespace
}  // namespace ember::state
