#include "state/allocator.h"

#include "tests/state/store_context.h"
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
struct LeaseContext : StoreContext {
  LeaseContext() {
    for (const char* name : {"a", "b", "c"}) ids.push_back(Create(name).id);
    database = OpenRaw();
    REQUIRE_OK(database->Execute("DELETE FROM cid_lease"));
  }
  absl::Status Lease(uint64_t cid, std::string_view vm_id) {
    Statement insert =
        ValueOf(database->Prepare("INSERT INTO cid_lease (cid, vm_id) VALUES (?1, ?2)"));
    return insert.Run(cid, vm_id);
  }
  std::vector<std::string> ids;
  std::unique_ptr<Database> database;
};

TEST_CASE("SQLite itself refuses to lease a CID twice", "[state][allocator]") {
  LeaseContext context;
  REQUIRE_OK(context.Lease(7, context.ids[0]));
  const absl::Status twice = context.Lease(7, context.ids[1]);
  CHECK(twice.code() == absl::StatusCode::kAlreadyExists);
  CHECK(Message(twice).ends_with("UNIQUE constraint failed: cid_lease.cid"));
}

TEST_CASE("SQLite itself refuses a second CID for one vm", "[state][allocator]") {
  LeaseContext context;
  REQUIRE_OK(context.Lease(7, context.ids[0]));
  CHECK(context.Lease(8, context.ids[0]).code() == absl::StatusCode::kAlreadyExists);
}

TEST_CASE("SQLite itself refuses a CID that no guest may have", "[state][allocator]") {
  LeaseContext context;
  for (const uint64_t cid : {uint64_t{0}, uint64_t{2}, uint64_t{0xFFFFFFFF}, uint64_t{1} << 32}) {
    INFO(cid);
    CHECK(context.Lease(cid, context.ids[0]).code() == absl::StatusCode::kFailedPrecondition);
  }
  CHECK(context.Lease(CidRange().first, context.ids[0]).ok());
  CHECK(context.Lease(CidRange().last, context.ids[1]).ok());
}

TEST_CASE("SQLite itself refuses a lease that no vm explains", "[state][allocator]") {
  LeaseContext context;
  CHECK(context.Lease(7, "nobody").code() == absl::StatusCode::kFailedPrecondition);
}

TEST_CASE("a lease goes with its vm, whoever removes the row", "[state][allocator]") {
  LeaseContext context;
  REQUIRE_OK(context.Lease(7, context.ids[0]));
  REQUIRE_OK(context.Lease(8, context.ids[1]));
  REQUIRE_OK(
      context.database->Execute(fmt::format("DELETE FROM vm WHERE id = '{}'", context.ids[0])));
  CHECK(ValueOf(context.database->QueryInt64("SELECT count(*) FROM cid_lease")) == 1);
  CHECK(ValueOf(context.database->QueryInt64("SELECT cid FROM cid_lease")) == 8);
}

TEST_CASE("a gap below a high lease is used, and after the last CID there is none",
          "[state][allocator]") {
  LeaseContext context;
  Allocator allocator(*context.database);
  REQUIRE_OK(context.Lease(CidRange().last, context.ids[0]));
  Transaction transaction = ValueOf(Transaction::Begin(*context.database));
  CHECK(ValueOf(allocator.LeaseCid(context.ids[1])) == 3);
  CHECK(ValueOf(allocator.LeaseCid(context.ids[2])) == 4);
  REQUIRE_OK(transaction.Commit());
}

TEST_CASE("running out of CIDs is told", "[state][allocator]") {
  LeaseContext context;
  Allocator allocator(*context.database, {.first = 3, .last = 4});
  Transaction transaction = ValueOf(Transaction::Begin(*context.database));
  CHECK(ValueOf(allocator.LeaseCid(context.ids[0])) == 3);
  CHECK(ValueOf(allocator.LeaseCid(context.ids[1])) == 4);
  const absl::Status status = allocator.LeaseCid(context.ids[2]).status();
  CHECK(status.code() == absl::StatusCode::kResourceExhausted);
  CHECK(Message(status) == "no free guest CID: all of 3 to 4 are taken");
}

}  // namespace
}  // namespace ember::state
