#include "state/row_check.h"

#include "tests/state/store_context.h"
#include "tests/support/catch.h"

namespace ember::state {
namespace {

using testing::ValueOf;

// VMs a, b and c, which are created, in a file that is then edited by hand.
struct CheckContext : StoreContext {
  CheckContext() {
    for (const char* name : {"a", "b", "c"}) {
      ids.push_back(Create(name).id);
      REQUIRE_OK(store->SetState(ids.back(), To(VmState::kCreated)));
    }
  }
  // Runs `script`, in which {0} to {2} stand for the VMs' ids, with no regard for references.
  void Edit(fmt::string_view script) {
    const auto database = OpenRaw();
    REQUIRE_OK(database->Execute("PRAGMA foreign_keys = OFF"));
    REQUIRE_OK(
        database->Execute(fmt::vformat(script, fmt::make_format_args(ids[0], ids[1], ids[2]))));
  }
  // Takes the uniqueness of names and directories away.
  void LoosenNames() {
    const auto database = OpenRaw();
    Statement query = ValueOf(database->Prepare("SELECT sql FROM sqlite_schema WHERE name = 'vm'"));
    REQUIRE_OK(query.Bind());
    REQUIRE(ValueOf(query.Next()));
    std::string table = query.Text(0);
    for (const std::string_view column :
         {"name TEXT NOT NULL UNIQUE", "dir_name TEXT NOT NULL UNIQUE"}) {
      const size_t at = table.find(column);
      REQUIRE(at != std::string::npos);
      table.erase(at + column.size() - 7, 7);
    }
    REQUIRE_FALSE(ValueOf(query.Next()));
    REQUIRE_OK(
        database->Execute("PRAGMA foreign_keys = OFF; CREATE TEMP TABLE copy AS"
                          " SELECT * FROM vm; DROP TABLE vm;" +
                          table + "; INSERT INTO vm SELECT * FROM copy"));
  }
  std::vector<RowAnomaly> Check() {
    Reopen();
    return ValueOf(store->CheckRows());
  }
  std::vector<std::string> ids;
};

constexpr std::string_view kLooseCids =
    "DROP TABLE cid_lease; CREATE TABLE cid_lease (cid INTEGER, vm_id TEXT);"
    "INSERT INTO cid_lease VALUES (3, '{0}'), (4, '{1}'), (5, '{2}');";
constexpr std::string_view kLooseBlocks =
    "DROP TABLE address_lease;"
    "CREATE TABLE address_lease (subnet TEXT, block_index INTEGER, vm_id TEXT);"
    "INSERT INTO address_lease VALUES ('10.100.0.0/16', 0, '{0}'), ('10.100.0.0/16', 1, '{1}'),"
    " ('10.100.0.0/16', 2, '{2}');";
TEST_CASE("sound rows have no anomalies", "[state][row_check]") {
  CheckContext context;
  CHECK(ValueOf(context.store->CheckRows()).empty());
  REQUIRE_OK(context.store->BeginStart(context.ids[0], StoreContext::Intent("m-1"),
                                       StoreContext::To(VmState::kStarting)));
  REQUIRE_OK(context.store->SetState(context.ids[0], StoreContext::To(VmState::kRunning)));
  REQUIRE_OK(context.store->LeasePort({.protocol = PortProtocol::kTcp,
                                       .host_address = "0.0.0.0",
                                       .host_port = 80,
                                       .vm_id = context.ids[0],
                                       .guest_target = "80",
                                       .purpose = "forward"}));
  CHECK(ValueOf(context.store->CheckRows()).empty());
}

TEST_CASE("rows that don't fit each other are named", "[state][row_check]") {
  struct Case {
    std::string edit;
    RowAnomaly found;
  };
  const std::string cids(kLooseCids);
  const std::string blocks(kLooseBlocks);
  const Case cases[] = {
      {"INSERT INTO cid_lease VALUES (9, 'ghost'); INSERT INTO cid_lease VALUES (10, 'ghoul');",
       {"foreign-key", {}, "2 rows of table cid_lease belong to no row of table vm"}},
      {"DELETE FROM cid_lease WHERE vm_id = '{1}';", {"cid-missing", {"b"}, "vm 'b' has no CID"}},
      {cids + "UPDATE cid_lease SET cid = 3 WHERE vm_id = '{2}';",
       {"cid-twice", {"a", "c"}, "CID 3 is leased 2 times"}},
      {cids + "INSERT INTO cid_lease VALUES (9, '{1}');",
       {"cid-twice", {"b"}, "vm 'b' has 2 CIDs"}},
      {"DELETE FROM address_lease WHERE vm_id = '{2}';",
       {"address-missing", {"c"}, "vm 'c' has no address block"}},
      {blocks + "UPDATE address_lease SET block_index = 1 WHERE vm_id = '{0}';",
       {"address-twice", {"a", "b"}, "block 1 of 10.100.0.0/16 is leased 2 times"}},
      {blocks + "INSERT INTO address_lease VALUES ('10.100.0.0/16', 7, '{2}');",
       {"address-twice", {"c"}, "vm 'c' has 2 address blocks"}},
      {blocks + "UPDATE address_lease SET block_index = 16384 WHERE vm_id = '{0}';",
       {"address-outside",
        {"a"},
        "vm 'a' has block 16384 of 10.100.0.0/16, the subnet is "
        "10.100.0.0/16"}},
      {"UPDATE address_lease SET subnet = '10.9.0.0/16' WHERE vm_id = '{0}';",
       {"address-outside",
        {"a"},
        "vm 'a' has block 0 of 10.9.0.0/16, the subnet is "
        "10.100.0.0/16"}},
      {"INSERT INTO forward VALUES ('f-1', '{1}', 0, 'udp', '127.0.0.1', 53, NULL, 'udp', 53, "
       "NULL);"
       "INSERT INTO port_lease VALUES ('udp', 53, '127.0.0.1', '{0}', '53', 'forward');",
       {"forward-unleased",
        {"b"},
        "vm 'b' has a forward from udp port 53 on 127.0.0.1, which is not leased to it"}},
      {"UPDATE vm SET state = 'running' WHERE id = '{0}';",
       {"machine-missing", {"a"}, "vm 'a' is running without a machine on record"}},
      {"UPDATE vm SET state = 'paused' WHERE id = '{0}';",
       {"machine-missing", {"a"}, "vm 'a' is paused without a machine on record"}},
      {"UPDATE vm SET state = 'stopping' WHERE id = '{0}';",
       {"machine-missing", {"a"}, "vm 'a' is stopping without a machine on record"}},
      {"UPDATE vm SET state = 'starting' WHERE id = '{0}';",
       {"machine-missing", {"a"}, "vm 'a' is starting without a machine on record"}},
      {"INSERT INTO machine VALUES ('{0}', 'm', '', '', '', 0, 0);",
       {"machine-unexpected", {"a"}, "vm 'a' is created with a machine on record"}},
      {"INSERT INTO machine VALUES ('{0}', 'm', '', '', '', 0, 0);"
       "UPDATE vm SET state = 'stopped' WHERE id = '{0}';",
       {"machine-unexpected", {"a"}, "vm 'a' is stopped with a machine on record"}},
      {"UPDATE vm SET name = 'new' WHERE id = '{0}';",
       {"rename-unfinished",
        {"new"},
        "vm 'new' still has the directory 'a': its rename is not "
        "finished"}},
      {"DROP TRIGGER port_lease_wildcard;"
       "INSERT INTO port_lease VALUES ('tcp', 80, '127.0.0.1', '{0}', '', '');"
       "INSERT INTO port_lease VALUES ('tcp', 80, '0.0.0.0', '{1}', '', '');",
       {"port-twice",
        {"b", "a"},
        "tcp port 80 is leased to vm 'b' on 0.0.0.0 and to vm 'a' on "
        "127.0.0.1"}},
  };
  for (const Case& edited : cases) {
    INFO(edited.edit);
    CheckContext context;
    context.Edit(edited.edit);
    std::vector<RowAnomaly> found = context.Check();
    std::string all;
    for (const RowAnomaly& anomaly : found) all += anomaly.kind + ": " + anomaly.message + "\n";
    INFO(all);
    CHECK(std::find(found.begin(), found.end(), edited.found) != found.end());
  }
}

TEST_CASE("names that two VMs have are named", "[state][row_check]") {
  CheckContext context;
  context.LoosenNames();
  context.Edit("UPDATE vm SET name = 'a' WHERE id = '{1}';");
  CHECK(context.Check()[0] == RowAnomaly{"name-twice", {"a", "a"}, "2 VMs have the name 'a'"});
  context.Edit("UPDATE vm SET name = 'b', dir_name = 'c' WHERE id = '{1}';");
  CHECK(context.Check()[0] == RowAnomaly{"name-twice", {"b", "c"}, "2 VMs have the directory 'c'"});
}

TEST_CASE("a failed or deleting vm may have a machine or none", "[state][row_check]") {
  CheckContext context;
  context.Edit(
      "UPDATE vm SET state = 'failed' WHERE id = '{0}';"
      "UPDATE vm SET state = 'deleting' WHERE id = '{1}';"
      "INSERT INTO machine VALUES ('{1}', 'm', '', '', '', 0, 0);");
  CHECK(context.Check().empty());
}

TEST_CASE("lost leases are leased again", "[state][row_check]") {
  CheckContext context;
  context.Edit(
      "DELETE FROM cid_lease WHERE vm_id = '{1}';"
      "DELETE FROM address_lease WHERE vm_id <> '{2}';");
  REQUIRE(context.Check().size() == 3);
  VmRecord b = ValueOf(context.store->GetVm("b"));
  CHECK(b.guest_cid == 0);
  CHECK(b.address == std::nullopt);
  b = ValueOf(context.store->RepairLease(b.id));
  CHECK(b.guest_cid == 4);
  CHECK(b.address == AddressLease{.subnet = Subnet::Default(), .block_index = 0});
  const std::vector<Event> events =
      ValueOf(context.store->EventsAfter(context.store->LastSequence() - 1, 1));
  CHECK(events[0].kind == "leases-repaired");
  CHECK(events[0].message == "CID 4, block 0 of 10.100.0.0/16 leased again");
  CHECK(ValueOf(context.store->RepairLease(context.ids[0])).address->block_index == 1);
  CHECK(ValueOf(context.store->CheckRows()).empty());
}

TEST_CASE("a block that makes no sense is replaced", "[state][row_check]") {
  const std::string edit =
      GENERATE("UPDATE address_lease SET subnet = '10.9.0.0/16' WHERE vm_id = '{0}';",
               "UPDATE address_lease SET subnet = 'nonsense' WHERE vm_id = '{0}';");
  CheckContext context;
  context.Edit(edit);
  REQUIRE(context.Check().size() == 1);
  CHECK(ValueOf(context.store->RepairLease(context.ids[0])).address ==
        AddressLease{.subnet = Subnet::Default(), .block_index = 0});
  CHECK(ValueOf(context.store->CheckRows()).empty());
}

TEST_CASE("where nothing is missing a repair changes nothing", "[state][row_check]") {
  CheckContext context;
  const VmRecord before = ValueOf(context.store->GetVm("a"));
  const uint64_t sequence = context.store->LastSequence();
  CHECK(ValueOf(context.store->RepairLease(before.id)) == before);
  CHECK(context.store->LastSequence() == sequence);
}

}  // namespace
}  // namespace ember::state
