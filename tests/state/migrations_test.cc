#include "state/migrations.h"

#include <string>

#include "base/file.h"
#include "tests/state/store_context.h"
#include "tests/support/catch.h"

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

}  // namespace
}  // namespace ember::state
