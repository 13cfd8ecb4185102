#include "tests/state/lease_context.h"
#include "tests/support/catch.h"

// What SQLite itself refuses, whatever the code above it does: rows are written past the store.
namespace ember::state {
namespace {

using testing::ValueOf;

// A row of table vm; the names of its columns stand for values that are fine.
std::string InsertVm(std::string_view id, std::string_view name, std::string_view dir_name,
                     std::string_view request_id = "NULL", std::string_view more_columns = "",
                     std::string_view more_values = "") {
  return fmt::format(
      "INSERT INTO vm (id, name, dir_name, state, state_reason, follow_up, image, kernel,"
      " boot_args, backend, vcpus, memory_mib, disk_bytes, init, restart_policy, autostart,"
      " remove_when_stopped, disk_path, disk_format, created_at, boot_retries, restarts,"
      " request_id, request_digest, owner_uid{4}) VALUES ('{0}', '{1}', '{2}', 'created', '',"
      " 'none', '', '', '', '', 1, 1, 0, 'auto', 'no', 0, 0, '', '', 0, 0, 0, {3}, {3}, 0{5})",
      id, name, dir_name, request_id, more_columns, more_values);
}

std::string InsertForward(std::string_view values) {
  return fmt::format("INSERT INTO forward VALUES ({})", values);
}

// VMs 'v1' (named web), 'v2' (named new while its directory is old) and 'v3'; no leases.
struct ConstraintContext : LeaseContext {
  ConstraintContext() : LeaseContext(0) {
    REQUIRE_OK(Run(InsertVm("v1", "web", "web", "'request-1'")));
    REQUIRE_OK(Run(InsertVm("v2", "new", "old")));
    REQUIRE_OK(Run(InsertVm("v3", "third", "third")));
    REQUIRE_OK(Run("INSERT INTO cid_lease VALUES (3, 'v1')"));
    REQUIRE_OK(Run("INSERT INTO address_lease VALUES ('10.100.0.0/16', 0, 'v1')"));
    REQUIRE_OK(Run("INSERT INTO port_lease VALUES ('tcp', 80, '127.0.0.1', 'v1', '', '')"));
    REQUIRE_OK(Run("INSERT INTO port_lease VALUES ('tcp', 443, '0.0.0.0', 'v1', '', '')"));
    REQUIRE_OK(Run("INSERT INTO port_lease VALUES ('tcp', 22, '::', 'v1', '', '')"));
    REQUIRE_OK(Run(InsertForward("'f1', 'v1', 0, 'tcp', '127.0.0.1', 80, NULL, 'tcp', 80, NULL")));
    REQUIRE_OK(Run(InsertForward("'f2', 'v1', 0, 'unix', NULL, NULL, '/a', 'tcp', 80, NULL")));
    REQUIRE_OK(Run(InsertForward("'f3', 'v1', 1, 'unix', NULL, NULL, '/a', 'tcp', 9000, NULL")));
    REQUIRE_OK(Run(InsertForward("'f4', 'v1', 1, 'unix', NULL, NULL, '/a', 'unix', NULL, '/b'")));
  }
};

struct Case {
  std::string what;
  std::string sql;
  std::string_view message;  // what the error ends in
};

void CheckRefused(const Case& refused) {
  INFO(refused.what);
  ConstraintContext context;
  const absl::Status status = context.Run(refused.sql);
  INFO(status.ToString());
  CHECK_FALSE(status.ok());
  CHECK(Message(status).ends_with(refused.message));
}

TEST_CASE("SQLite itself refuses two forwards at one address", "[state][constraints]") {
  const Case cases[] = {
      {"a port", InsertForward("'f9', 'v3', 0, 'tcp', '127.0.0.1', 80, NULL, 'tcp', 1, NULL"),
       "UNIQUE constraint failed: forward.host_kind, forward.host_ip, forward.host_port"},
      {"a path", InsertForward("'f9', 'v3', 0, 'unix', NULL, NULL, '/a', 'tcp', 1, NULL"),
       "UNIQUE constraint failed: forward.host_path"},
      {"a guest's port",
       InsertForward("'f9', 'v1', 1, 'tcp', '127.0.0.1', 1, NULL, 'tcp', 9000,"
                     " NULL"),
       "UNIQUE constraint failed: index 'forward_guest'"},
      {"a guest's path",
       InsertForward("'f9', 'v1', 1, 'tcp', '127.0.0.1', 1, NULL, 'unix', NULL,"
                     " '/b'"),
       "UNIQUE constraint failed: index 'forward_guest'"},
      {"of nobody", InsertForward("'f9', 'v9', 0, 'tcp', '127.0.0.1', 81, NULL, 'tcp', 1, NULL"),
       "FOREIGN KEY constraint failed"},
  };
  for (const Case& refused : cases) CheckRefused(refused);
}

TEST_CASE("SQLite itself refuses a forward that makes no sense", "[state][constraints]") {
  for (const std::string_view values :
       {"'f9', 'v1', 0, 'tcp', NULL, 81, NULL, 'tcp', 80, NULL",
        "'f9', 'v1', 0, 'tcp', '127.0.0.1', 0, NULL, 'tcp', 80, NULL",
        "'f9', 'v1', 0, 'tcp', '127.0.0.1', NULL, NULL, 'tcp', 80, NULL",
        "'f9', 'v1', 0, 'tcp', '127.0.0.1', 81, '/c', 'tcp', 80, NULL",
        "'f9', 'v1', 0, 'unix', NULL, NULL, 'relative', 'tcp', 80, NULL",
        "'f9', 'v1', 0, 'unix', NULL, NULL, NULL, 'tcp', 80, NULL",
        "'f9', 'v1', 0, 'unix', NULL, 81, '/c', 'tcp', 80, NULL",
        "'f9', 'v1', 0, 'tcp', '127.0.0.1', 81, NULL, 'tcp', 0, NULL",
        "'f9', 'v1', 0, 'tcp', '127.0.0.1', 81, NULL, 'unix', NULL, NULL",
        "'f9', 'v1', 0, 'udp', '127.0.0.1', 81, NULL, 'tcp', 80, NULL",
        "'f9', 'v1', 0, 'tcp', '127.0.0.1', 81, NULL, 'udp', 80, NULL",
        "'f9', 'v1', 1, 'udp', '127.0.0.1', 81, NULL, 'udp', 80, NULL",
        "'f9', 'v1', 2, 'tcp', '127.0.0.1', 81, NULL, 'tcp', 80, NULL"}) {
    INFO(values);
    ConstraintContext context;
    const absl::Status status = context.Run(InsertForward(values));
    CHECK_FALSE(status.ok());
    CHECK(Message(status).find("CHECK constraint failed") != std::string_view::npos);
  }
}

TEST_CASE("SQLite itself refuses to give a number out twice", "[state][constraints]") {
  const Case cases[] = {
      {"a CID", "INSERT INTO cid_lease VALUES (3, 'v3')",
       "UNIQUE constraint failed: cid_lease.cid"},
      {"two CIDs", "INSERT INTO cid_lease VALUES (4, 'v1')",
       "UNIQUE constraint failed: cid_lease.vm_id"},
      {"a block", "INSERT INTO address_lease VALUES ('10.100.0.0/16', 0, 'v3')",
       "UNIQUE constraint failed: address_lease.subnet, address_lease.block_index"},
      {"two blocks", "INSERT INTO address_lease VALUES ('10.100.0.0/16', 1, 'v1')",
       "UNIQUE constraint failed: address_lease.vm_id"},
      {"a block of nobody", "INSERT INTO address_lease VALUES ('10.100.0.0/16', 1, 'v9')",
       "FOREIGN KEY constraint failed"},
      {"a block beyond the subnet", "INSERT INTO address_lease VALUES ('10.0.0.0/16', 16384, 'v3')",
       "block_index BETWEEN 0 AND (1 << (30 - CAST(substr(subnet, instr(subnet, '/') + 1) AS "
       "INTEGER))) - 1"},
      {"a block below it", "INSERT INTO address_lease VALUES ('10.0.0.0/16', -1, 'v3')",
       "block_index BETWEEN 0 AND (1 << (30 - CAST(substr(subnet, instr(subnet, '/') + 1) AS "
       "INTEGER))) - 1"},
      {"a port", "INSERT INTO port_lease VALUES ('tcp', 80, '127.0.0.1', 'v3', '', '')",
       "port_lease.protocol, port_lease.host_port, port_lease.host_address"},
      {"a port of nobody", "INSERT INTO port_lease VALUES ('udp', 80, '127.0.0.1', 'v9', '', '')",
       "FOREIGN KEY constraint failed"},
      {"port 0", "INSERT INTO port_lease VALUES ('tcp', 0, '127.0.0.1', 'v3', '', '')",
       "host_port BETWEEN 1 AND 65535"},
      {"port 65536", "INSERT INTO port_lease VALUES ('tcp', 65536, '127.0.0.1', 'v3', '', '')",
       "host_port BETWEEN 1 AND 65535"},
      {"a port of no protocol", "INSERT INTO port_lease VALUES ('sctp', 1, '::1', 'v3', '', '')",
       "protocol IN ('tcp', 'udp')"},
  };
  for (const Case& refused : cases) CheckRefused(refused);
}

TEST_CASE("SQLite itself refuses a port beside the same one of every address",
          "[state][constraints]") {
  constexpr std::string_view kTaken =
      "port_lease.host_port is taken on every address or on one of them";
  const Case cases[] = {
      {"every IPv4 address after one",
       "INSERT INTO port_lease VALUES"
       " ('tcp', 80, '0.0.0.0', 'v3', '', '')",
       kTaken},
      {"every address after one", "INSERT INTO port_lease VALUES ('tcp', 80, '::', 'v3', '', '')",
       kTaken},
      {"one after every IPv4 address",
       "INSERT INTO port_lease VALUES"
       " ('tcp', 443, '127.0.0.1', 'v3', '', '')",
       kTaken},
      {"one of IPv4 after every address",
       "INSERT INTO port_lease VALUES"
       " ('tcp', 22, '127.0.0.1', 'v3', '', '')",
       kTaken},
      {"one of IPv6 after every address",
       "INSERT INTO port_lease VALUES"
       " ('tcp', 22, '::1', 'v3', '', '')",
       kTaken},
      {"one that is moved there",
       "UPDATE port_lease SET host_address = '0.0.0.0'"
       " WHERE host_port = 80",
       "port_lease is not changed"},
  };
  for (const Case& refused : cases) CheckRefused(refused);
  ConstraintContext context;
  CHECK(context.Run("INSERT INTO port_lease VALUES ('tcp', 443, '::1', 'v3', '', '')").ok());
  CHECK(context.Run("INSERT INTO port_lease VALUES ('udp', 22, '::', 'v3', '', '')").ok());
}

TEST_CASE("SQLite itself refuses a name that another vm has", "[state][constraints]") {
  constexpr std::string_view kCrossed = "vm.name is the directory of another vm";
  const Case cases[] = {
      {"the name", InsertVm("v9", "web", "free"), kCrossed},
      {"the name of one being renamed", InsertVm("v9", "new", "free"),
       "UNIQUE constraint failed: vm.name"},
      {"the directory", InsertVm("v9", "free", "old"), "UNIQUE constraint failed: vm.dir_name"},
      {"the directory as name", InsertVm("v9", "old", "free"), kCrossed},
      {"the name as directory", InsertVm("v9", "free", "new"), kCrossed},
      {"the name by update", "UPDATE vm SET name = 'new' WHERE id = 'v3'",
       "UNIQUE constraint failed: vm.name"},
      {"the directory by update", "UPDATE vm SET dir_name = 'old' WHERE id = 'v3'",
       "UNIQUE constraint failed: vm.dir_name"},
      {"the directory as name by update", "UPDATE vm SET name = 'old' WHERE id = 'v3'", kCrossed},
      {"the name as directory by update", "UPDATE vm SET dir_name = 'new' WHERE id = 'v3'",
       kCrossed},
      {"the request id", InsertVm("v9", "free", "free", "'request-1'"),
       "UNIQUE constraint failed: vm.request_id"},
      {"an empty directory", "UPDATE vm SET dir_name = '' WHERE id = 'v3'",
       "length(dir_name) BETWEEN 1 AND 63"},
  };
  for (const Case& refused : cases) CheckRefused(refused);
}

TEST_CASE("SQLite itself refuses a policy that makes no sense", "[state][constraints]") {
  const Case cases[] = {
      {"restart", "UPDATE vm SET restart_policy = 'never'",
       "restart_policy IN ('no', 'on-failure', 'always')"},
      {"follow-up", "UPDATE vm SET follow_up = 'pause'",
       "follow_up IN ('none', 'start', 'restart', 'delete')"},
      {"ttl", "UPDATE vm SET ttl_seconds = 0", "ttl_seconds >= 1"},
      {"autostart", "UPDATE vm SET autostart = 2", "autostart IN (0, 1)"},
      {"half an expiry", "UPDATE vm SET expires_boottime_ns = 1",
       "(expires_boottime_ns IS NULL) = (expires_at IS NULL)"},
      {"another half", "UPDATE vm SET expires_at = 1, expires_boottime_ns = 1",
       "(expires_host_boot_id IS NULL) = (expires_at IS NULL)"},
  };
  for (const Case& refused : cases) CheckRefused(refused);
}

TEST_CASE("every lease goes with its vm, whoever removes the row", "[state][constraints]") {
  ConstraintContext context;
  REQUIRE_OK(context.Run("DELETE FROM vm WHERE id = 'v1'"));
  for (const char* table : {"cid_lease", "address_lease", "port_lease"}) {
    INFO(table);
    CHECK(context.Count(table) == 0);
  }
}

}  // namespace
}  // namespace ember::state
