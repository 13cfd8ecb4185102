#include "state/migrations.h"

#include <algorithm>
#include <string>
#include <vector>

#include "base/file.h"
#include "tests/state/store_context.h"
#include "tests/support/catch.h"
#include "tests/support/file_mode.h"
#include "tests/support/full_disk.h"

namespace ember::state {
namespace {

using testing::ValueOf;

// A plan of three schemas that is easy to follow.
SchemaPlan ThreeSchemas() {
  return {.version = 3,
          .schema = "CREATE TABLE dog (name TEXT NOT NULL, age INTEGER NOT NULL) STRICT;",
          .steps = {{.from = 1, .sql = "ALTER TABLE dog ADD COLUMN age INTEGER;"},
                    {.from = 2,
                     .sql = "CREATE TABLE new (name TEXT NOT NULL, age INTEGER NOT NULL) STRICT;"
                            "INSERT INTO new SELECT name, coalesce(age, 1) FROM dog;"
                            "DROP TABLE dog;"
                            "ALTER TABLE new RENAME TO dog;"}}};
}

struct Context {
  Context() { database = ValueOf(Database::Open(path())); }
  // Closes the file, so that all of it is in one piece, and opens it again.
  void Reopen() {
    database.reset();
    database = ValueOf(Database::Open(path()));
  }
  void MakeFirstSchema() {
    REQUIRE_OK(Migrate(*database, {.version = 1,
                                   .schema = "CREATE TABLE dog (name TEXT NOT NULL) STRICT;"
                                             "INSERT INTO dog VALUES ('rex');",
                                   .steps = {}}));
    Reopen();
  }
  int64_t Version() { return ValueOf(database->QueryInt64("PRAGMA user_version")); }
  std::filesystem::path path() const { return dir / "state.db"; }

  testing::TempDir dir;
  std::unique_ptr<Database> database;
};

// All of a database's schema, as text.
std::string SchemaOf(Database& database) {
  Statement query =
      ValueOf(database.Prepare("SELECT type, name, sql FROM sqlite_schema ORDER BY type, name"));
  REQUIRE_OK(query.Bind());
  std::string schema;
  while (ValueOf(query.Next())) {
    schema += query.Text(0) + " " + query.Text(1) + ": " + query.Text(2) + "\n";
  }
  return schema;
}

TEST_CASE("a new file gets the newest schema and our mark", "[state][migrations]") {
  Context context;
  REQUIRE_OK(Migrate(*context.database, CurrentSchemaPlan()));
  CHECK(context.Version() == CurrentSchemaPlan().version);
  CHECK(ValueOf(context.database->QueryInt64("PRAGMA application_id")) == kApplicationId);
  CHECK(ValueOf(context.database->QueryInt64(
            "SELECT count(*) FROM sqlite_schema WHERE name = 'vm'")) == 1);
}

TEST_CASE("an old file is brought up step by step with its rows", "[state][migrations]") {
  Context context;
  context.MakeFirstSchema();
  REQUIRE_OK(Migrate(*context.database, ThreeSchemas()));
  CHECK(context.Version() == 3);
  CHECK(ValueOf(context.database->QueryInt64("SELECT age FROM dog WHERE name = 'rex'")) == 1);
  CHECK(ValueOf(context.database->QueryInt64("PRAGMA foreign_keys")) == 1);
}

TEST_CASE("a step that fails leaves the last whole schema", "[state][migrations]") {
  Context context;
  context.MakeFirstSchema();
  SchemaPlan plan = ThreeSchemas();
  plan.steps[1].sql = "DROP TABLE dog; INSERT INTO nowhere VALUES (1);";
  const absl::Status status = Migrate(*context.database, plan);
  CHECK_FALSE(status.ok());
  CHECK(Message(status).starts_with("migration from schema 2 to 3: "));
  context.Reopen();
  CHECK(context.Version() == 2);
  CHECK(ValueOf(context.database->QueryInt64("SELECT count(*) FROM dog")) == 1);
  REQUIRE_OK(Migrate(*context.database, ThreeSchemas()));
  CHECK(context.Version() == 3);
}

TEST_CASE("a step that breaks a reference is undone", "[state][migrations]") {
  Context context;
  REQUIRE_OK(Migrate(*context.database,
                     {.version = 1,
                      .schema = "CREATE TABLE owner (id INTEGER PRIMARY KEY) STRICT;"
                                "CREATE TABLE dog (owner INTEGER REFERENCES owner) STRICT;"
                                "INSERT INTO owner VALUES (1); INSERT INTO dog VALUES (1);",
                      .steps = {}}));
  const SchemaPlan plan = {
      .version = 2, .schema = "", .steps = {{.from = 1, .sql = "DELETE FROM owner;"}}};
  const absl::Status status = Migrate(*context.database, plan);
  CHECK_FALSE(status.ok());
  CHECK(Message(status).find("table dog") != std::string::npos);
  CHECK(context.Version() == 1);
  CHECK(ValueOf(context.database->QueryInt64("SELECT count(*) FROM owner")) == 1);
}

// Migrate refuses with `reason`, and the closed file has the same bytes as before.
absl::Status CheckRefused(Context& context, const SchemaPlan& plan, std::string_view reason) {
  context.database.reset();
  const std::string before = ValueOf(ReadFile(context.path()));
  context.database = ValueOf(Database::Open(context.path()));
  const absl::Status status = Migrate(*context.database, plan);
  context.database.reset();
  INFO(status.ToString());
  CHECK(status.code() == absl::StatusCode::kFailedPrecondition);
  CHECK(ReasonOf(status) == reason);
  CHECK(HintOf(status).has_value());
  CHECK(ValueOf(ReadFile(context.path())) == before);
  return status;
}

TEST_CASE("a newer file is refused untouched", "[state][migrations]") {
  Context context;
  REQUIRE_OK(Migrate(*context.database, CurrentSchemaPlan()));
  REQUIRE_OK(context.database->Execute("PRAGMA user_version = 7"));
  const absl::Status status = CheckRefused(context, CurrentSchemaPlan(), "STATE_TOO_NEW");
  CHECK(Message(status) ==
        fmt::format("{} was written by a newer ember (schema 7, this one knows {})",
                    context.path().native(), CurrentSchemaPlan().version));
}

TEST_CASE("a newer file that a crash left in its log is refused untouched", "[state][migrations]") {
  Context context;
  REQUIRE_OK(Migrate(*context.database, CurrentSchemaPlan()));
  REQUIRE_OK(context.database->Execute("PRAGMA user_version = 7"));
  // A copy of what is on disk while the first daemon runs.
  const testing::TempDir crashed;
  for (const char* file : {"state.db", "state.db-wal"}) {
    std::filesystem::copy_file(context.dir / file, crashed / file);
  }
  const std::string log = ValueOf(ReadFile(crashed / "state.db-wal"));
  REQUIRE(log.size() > 4096);
  const absl::Status status = Store::Open(crashed.path()).status();
  CHECK(ReasonOf(status) == "STATE_TOO_NEW");
  CHECK(ValueOf(ReadFile(crashed / "state.db-wal")) == log);
}

TEST_CASE("a file that is too old is refused untouched", "[state][migrations]") {
  Context context;
  context.MakeFirstSchema();
  SchemaPlan plan = ThreeSchemas();
  plan.steps.erase(plan.steps.begin());
  const absl::Status status = CheckRefused(context, plan, "STATE_TOO_OLD");
  CHECK(Message(status).ends_with("too old (schema 1, this one knows 2 to 3)"));
}

TEST_CASE("another program's database is refused untouched", "[state][migrations]") {
  Context context;
  REQUIRE_OK(context.database->Trust());
  REQUIRE_OK(context.database->Execute("CREATE TABLE bookmarks (url TEXT)"));
  const absl::Status status = CheckRefused(context, CurrentSchemaPlan(), "STATE_NOT_OURS");
  CHECK(Message(status) == context.path().native() + " is a database of another program");
}

// --- Backups. ---

// A file with the rows of testdata/schema-1.sql.
struct StoredContext : Context {
  StoredContext() {
    REQUIRE_OK(database->Trust());
    REQUIRE_OK(database->Execute(ValueOf(ReadFile(EMBER_TEST_DATA "/schema-1.sql"))));
    Reopen();
  }
  std::filesystem::path backup() const { return SchemaBackup(path(), 1); }
  std::vector<std::string> Files() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(dir.path())) {
      names.push_back(entry.path().filename());
    }
    std::sort(names.begin(), names.end());
    return names;
  }
};

int64_t VersionOf(const std::filesystem::path& path) {
  return ValueOf(ValueOf(Database::Open(path))->QueryInt64("PRAGMA user_version"));
}

TEST_CASE("the file as it was is kept beside the migrated one", "[state][migrations]") {
  StoredContext context;
  const std::string schema = SchemaOf(*context.database);
  REQUIRE_OK(Migrate(*context.database, CurrentSchemaPlan()));
  CHECK(context.backup() == context.path().native() + ".schema-1.bak");
  CHECK(testing::ModeOf(context.backup()) == 0600);
  CHECK(VersionOf(context.backup()) == 1);
  const auto kept = ValueOf(Database::Open(context.backup()));
  CHECK(SchemaOf(*kept) == schema);
  CHECK(ValueOf(kept->QueryInt64("SELECT count(*) FROM vm")) == 2);
  CHECK(ValueOf(kept->QueryInt64("PRAGMA application_id")) == kApplicationId);
  context.database.reset();
  CHECK(context.Files() == std::vector<std::string>{"state.db", "state.db.schema-1.bak",
                                                    "state.db.schema-2.bak",
                                                    "state.db.schema-3.bak"});
}

TEST_CASE("a backup holds what was still in the log", "[state][migrations]") {
  StoredContext context;
  REQUIRE_OK(context.database->Trust());
  REQUIRE_OK(context.database->Execute("UPDATE vm SET image = 'latest'"));
  const testing::TempDir crashed;
  for (const char* file : {"state.db", "state.db-wal"}) {
    std::filesystem::copy_file(context.dir / file, crashed / file);
  }
  REQUIRE_OK(Store::Open(crashed.path()));
  const auto kept = ValueOf(Database::Open(SchemaBackup(crashed / "state.db", 1)));
  CHECK(ValueOf(kept->QueryInt64("SELECT count(*) FROM vm WHERE image = 'latest'")) == 2);
}

TEST_CASE("each step has a backup of its own", "[state][migrations]") {
  Context context;
  context.MakeFirstSchema();
  REQUIRE_OK(Migrate(*context.database, ThreeSchemas()));
  CHECK(VersionOf(SchemaBackup(context.path(), 1)) == 1);
  CHECK(VersionOf(SchemaBackup(context.path(), 2)) == 2);
}

TEST_CASE("a new file and one that is up to date need no backup", "[state][migrations]") {
  StoreContext context;
  context.Reopen();
  context.Close();
  CHECK(std::distance(std::filesystem::directory_iterator(context.dir.path()), {}) == 1);
}

TEST_CASE("a backup of an earlier try is replaced", "[state][migrations]") {
  StoredContext context;
  REQUIRE_OK(WriteFileAtomically(context.backup(), "half of an earlier backup", 0644));
  REQUIRE_OK(WriteFileAtomically(context.backup().native() + ".partial", "less than half", 0644));
  REQUIRE_OK(Migrate(*context.database, CurrentSchemaPlan()));
  CHECK(VersionOf(context.backup()) == 1);
  CHECK(testing::ModeOf(context.backup()) == 0600);
  context.database.reset();
  CHECK(context.Files() == std::vector<std::string>{"state.db", "state.db.schema-1.bak",
                                                    "state.db.schema-2.bak",
                                                    "state.db.schema-3.bak"});
}

TEST_CASE("without room for a backup nothing is migrated", "[state][migrations]") {
  StoredContext context;
  context.database.reset();
  REQUIRE_OK(WriteFileAtomically(context.backup(), "of an earlier try", 0600));
  const std::string before = ValueOf(ReadFile(context.path()));
  {
    const testing::FullDisk full;
    const absl::Status status = Store::Open(context.dir.path()).status();
    INFO(status.ToString());
    CHECK(status.code() == absl::StatusCode::kResourceExhausted);
    CHECK(Message(status).starts_with("migration from schema 1 to 2: "));
    CHECK(HintOf(status).has_value());
  }
  CHECK(ValueOf(ReadFile(context.path())) == before);
  CHECK(ValueOf(ReadFile(context.backup())) == "of an earlier try");
  // A log that was opened and not written.
  CHECK(std::filesystem::file_size(context.path().native() + "-wal") == 0);
  CHECK(context.Files() ==
        std::vector<std::string>{"state.db", "state.db-wal", "state.db.schema-1.bak"});
  const auto store = ValueOf(Store::Open(context.dir.path()));
  CHECK(ValueOf(store->ListVms()).size() == 2);
}

TEST_CASE("a step that fails leaves the backup and the file as it was", "[state][migrations]") {
  StoredContext context;
  SchemaPlan plan = CurrentSchemaPlan();
  const std::string broken = std::string(plan.steps[0].sql) + "INSERT INTO nowhere VALUES (1);";
  plan.steps[0].sql = broken;
  CHECK_FALSE(Migrate(*context.database, plan).ok());
  context.Reopen();
  CHECK(context.Version() == 1);
  CHECK(ValueOf(context.database->QueryInt64("SELECT count(*) FROM cid_lease")) == 2);
  CHECK(VersionOf(context.backup()) == 1);
}

// --- Schema 1 -> 2. ---

TEST_CASE("every vm of schema 1 gets a block, the oldest the lowest", "[state][migrations]") {
  StoredContext context;
  REQUIRE_OK(context.database->Trust());
  for (const auto& [id, name] : {std::pair{"x1", "zoo"}, std::pair{"x2", "ant"}}) {
    REQUIRE_OK(context.database->Execute(fmt::format(
        "INSERT INTO vm SELECT '{}', '{}', 'created', '', image, kernel, backend, vcpus,"
        " memory_mib, disk_bytes, init, '', '', 1700000001000000, NULL, 0, NULL, NULL, 0"
        " FROM vm WHERE name = 'web'",
        id, name)));
  }
  context.database.reset();
  const auto store = ValueOf(Store::Open(context.dir.path()));
  const std::pair<std::string, uint32_t> expected[] = {
      {"web", 0}, {"ant", 1}, {"zoo", 2}, {"db", 3}};
  for (const auto& [name, block] : expected) {
    INFO(name);
    CHECK(ValueOf(store->GetVm(name)).address ==
          AddressLease{.subnet = Subnet::Default(), .block_index = block});
  }
  CHECK(store->subnet() == Subnet::Default());
}

TEST_CASE("a vm of schema 1 does by itself what it did: nothing", "[state][migrations]") {
  StoredContext context;
  context.database.reset();
  const auto store = ValueOf(Store::Open(context.dir.path()));
  const VmRecord web = ValueOf(store->GetVm("web"));
  CHECK(web.dir_name == "web");
  CHECK(web.follow_up == FollowUp::kNone);
  CHECK(web.restarts == 0);
  CHECK(web.expiry == std::nullopt);
  CHECK(web.config.boot_args.empty());
  CHECK(web.config.restart_policy == RestartPolicy::kNo);
  CHECK_FALSE(web.config.autostart);
  CHECK_FALSE(web.config.remove_when_stopped);
  CHECK(web.config.ttl == std::nullopt);
  CHECK(ValueOf(store->CheckRows()).empty());
  NewVm next;
  next.name = "next";
  CHECK(ValueOf(store->CreateVm(next)).vm.address->block_index == 2);
}

TEST_CASE("a stored file of every schema comes up as the newest one", "[state][migrations]") {
  for (int version = 1; version <= CurrentSchemaPlan().version; ++version) {
    INFO("schema " << version);
    const std::string stored = fmt::format("{}/schema-{}.sql", EMBER_TEST_DATA, version);
    Context old;
    REQUIRE_OK(old.database->Trust());
    REQUIRE_OK(old.database->Execute(ValueOf(ReadFile(stored))));
    old.database.reset();
    {
      const auto store = ValueOf(Store::Open(old.dir.path()));
      CHECK(store->installation_id() == "6e1d2c5a-0d0b-4b0e-9d59-2f6a3f6f7a11");
      const VmRecord web = ValueOf(store->GetVm("web"));
      CHECK(web.state == VmState::kRunning);
      CHECK(web.guest_cid == 3);
      CHECK(web.config.labels == std::map<std::string, std::string>{{"team", "core"}});
      REQUIRE(web.machine.has_value());
      CHECK(web.machine->process == ProcessIdentity{.pid = 4711, .start_time = 99});
      CHECK(web.machine->companions ==
            std::vector<ProcessIdentity>{{.pid = 4712, .start_time = 100}});
      CHECK(ValueOf(store->GetVm("db")).state_reason == "qemu ended with exit code 1");
      CHECK(store->LastSequence() == 5);
    }
    Context fresh;
    REQUIRE_OK(Migrate(*fresh.database, CurrentSchemaPlan()));
    old.database = ValueOf(Database::Open(old.path()));
    CHECK(SchemaOf(*old.database) == SchemaOf(*fresh.database));
  }
}

// --- Schema 2 -> 3. ---

TEST_CASE("a lease that schema 2 kept for a forward goes, since there was no forward",
          "[state][migrations]") {
  Context context;
  REQUIRE_OK(context.database->Trust());
  REQUIRE_OK(context.database->Execute(ValueOf(ReadFile(EMBER_TEST_DATA "/schema-2.sql"))));
  context.database.reset();
  const auto store = ValueOf(Store::Open(context.dir.path()));
  CHECK(ValueOf(store->ListPorts()).empty());
  CHECK(ValueOf(store->ListForwards()).empty());
}

TEST_CASE("the forwards of schema 3 are read", "[state][migrations]") {
  Context context;
  REQUIRE_OK(context.database->Trust());
  REQUIRE_OK(context.database->Execute(ValueOf(ReadFile(EMBER_TEST_DATA "/schema-3.sql"))));
  context.database.reset();
  const auto store = ValueOf(Store::Open(context.dir.path()));
  const auto forwards = ValueOf(store->ListForwards());
  REQUIRE(forwards.size() == 2);
  CHECK(DescribeForward(forwards[0]) == "tcp 127.0.0.1:8080 -> tcp 80");
  CHECK(DescribeForward(forwards[1]) == "/tmp/agent.sock <- tcp 9000");
  CHECK(ValueOf(store->ListPorts()).size() == 1);
}

}  // namespace
}  // namespace ember::state
