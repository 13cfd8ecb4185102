#include "state/cid_allocator.h"

#include "tests/state/lease_context.h"
#include "tests/support/catch.h"

namespace ember::state {
namespace {

using testing::ValueOf;

TEST_CASE("CIDs are given out from 3, lowest first", "[state][allocator]") {
  StoreContext context;
  CHECK(context.Create("a").guest_cid == 3);
  CHECK(context.Create("b").guest_cid == 4);
  CHECK(context.Create("c").guest_cid == 5);
}

TEST_CASE("a released CID is reused lowest first", "[state][allocator]") {
  StoreContext context;
  std::vector<VmRecord> vms;
  for (const char* name : {"a", "b", "c", "d", "e"}) vms.push_back(context.Create(name));
  context.Delete(vms[3]);
  context.Delete(vms[0]);
  context.Delete(vms[1]);
  CHECK(context.Create("f").guest_cid == 3);
  CHECK(context.Create("g").guest_cid == 4);
  CHECK(context.Create("h").guest_cid == 6);
  CHECK(context.Create("i").guest_cid == 8);
}

TEST_CASE("the lowest CID is found after a restart too", "[state][allocator]") {
  StoreContext context;
  const VmRecord first = context.Create("a");
  context.Create("b");
  context.Delete(first);
  context.Reopen();
  CHECK(context.Create("c").guest_cid == 3);
  CHECK(context.Create("d").guest_cid == 5);
}

// Three VMs without leases, in the open file.
struct CidContext : LeaseContext {
  absl::Status Lease(uint64_t cid, std::string_view vm_id) {
    Statement insert =
        ValueOf(database->Prepare("INSERT INTO cid_lease (cid, vm_id) VALUES (?1, ?2)"));
    return insert.Run(cid, vm_id);
  }
};

TEST_CASE("SQLite itself refuses to lease a CID twice", "[state][allocator]") {
  CidContext context;
  REQUIRE_OK(context.Lease(7, context.ids[0]));
  const absl::Status twice = context.Lease(7, context.ids[1]);
  CHECK(twice.code() == absl::StatusCode::kAlreadyExists);
  CHECK(Message(twice).ends_with("UNIQUE constraint failed: cid_lease.cid"));
}

TEST_CASE("SQLite itself refuses a second CID for one vm", "[state][allocator]") {
  CidContext context;
  REQUIRE_OK(context.Lease(7, context.ids[0]));
  CHECK(context.Lease(8, context.ids[0]).code() == absl::StatusCode::kAlreadyExists);
}

TEST_CASE("SQLite itself refuses a CID that no guest may have", "[state][allocator]") {
  CidContext context;
  for (const uint64_t cid : {uint64_t{0}, uint64_t{2}, uint64_t{0xFFFFFFFF}, uint64_t{1} << 32}) {
    INFO(cid);
    CHECK(context.Lease(cid, context.ids[0]).code() == absl::StatusCode::kFailedPrecondition);
  }
  CHECK(context.Lease(CidRange().first, context.ids[0]).ok());
  CHECK(context.Lease(CidRange().last, context.ids[1]).ok());
}

TEST_CASE("SQLite itself refuses a lease that no vm explains", "[state][allocator]") {
  CidContext context;
  CHECK(context.Lease(7, "nobody").code() == absl::StatusCode::kFailedPrecondition);
}

TEST_CASE("a lease goes with its vm, whoever removes the row", "[state][allocator]") {
  CidContext context;
  REQUIRE_OK(context.Lease(7, context.ids[0]));
  REQUIRE_OK(context.Lease(8, context.ids[1]));
  REQUIRE_OK(
      context.database->Execute(fmt::format("DELETE FROM vm WHERE id = '{}'", context.ids[0])));
  CHECK(ValueOf(context.database->QueryInt64("SELECT count(*) FROM cid_lease")) == 1);
  CHECK(ValueOf(context.database->QueryInt64("SELECT cid FROM cid_lease")) == 8);
}

TEST_CASE("a gap below a high lease is used, and after the last CID there is none",
          "[state][allocator]") {
  CidContext context;
  CidAllocator allocator(*context.database);
  REQUIRE_OK(context.Lease(CidRange().last, context.ids[0]));
  Transaction transaction = ValueOf(Transaction::Begin(*context.database));
  CHECK(ValueOf(allocator.Lease(context.ids[1])) == 3);
  CHECK(ValueOf(allocator.Lease(context.ids[2])) == 4);
  REQUIRE_OK(transaction.Commit());
}

TEST_CASE("running out of CIDs is told", "[state][allocator]") {
  CidContext context;
  CidAllocator allocator(*context.database, {.first = 3, .last = 4});
  Transaction transaction = ValueOf(Transaction::Begin(*context.database));
  CHECK(ValueOf(allocator.Lease(context.ids[0])) == 3);
  CHECK(ValueOf(allocator.Lease(context.ids[1])) == 4);
  const absl::Status status = allocator.Lease(context.ids[2]).status();
  CHECK(status.code() == absl::StatusCode::kResourceExhausted);
  CHECK(Message(status) == "no free guest CID: all of 3 to 4 are taken");
}

TEST_CASE("a gap that a file came with is used before the numbers above", "[state][allocator]") {
  CidContext context;
  REQUIRE_OK(context.Lease(3, context.ids[0]));
  REQUIRE_OK(context.Lease(5, context.ids[1]));
  CidAllocator allocator(*context.database);
  Transaction transaction = ValueOf(Transaction::Begin(*context.database));
  CHECK(ValueOf(allocator.Lease(context.ids[2])) == 4);
  CHECK(allocator.free_numbers().edge() == 5);
}

TEST_CASE("random leases of CIDs are the lowest ones, whatever is rolled back",
          "[state][allocator]") {
  const uint32_t seed = std::random_device()();
  INFO("seed " << seed);
  LeaseContext context(40);
  CidAllocator allocator(*context.database);
  RandomLeases(context, 3, seed)
      .Run(
          allocator.free_numbers(), 300,
          [&allocator](const std::string& vm) -> uint64_t { return ValueOf(allocator.Lease(vm)); },
          [&allocator, &context](const std::string& vm, uint64_t cid) {
            REQUIRE_OK(context.Run(fmt::format("DELETE FROM cid_lease WHERE vm_id = '{}'", vm)));
            allocator.Released(static_cast<uint32_t>(cid));
          });
}

}  // namespace
}  // namespace ember::state
