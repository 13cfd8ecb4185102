#include "state/database.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <memory>
#include <string>

#include "tests/support/catch.h"
#include "tests/support/file_mode.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace ember::state {
namespace {

using testing::ValueOf;

// A trusted database with one table `t`.
struct Context {
  Context() : database(Open()) {
    REQUIRE_OK(database->Trust());
    REQUIRE_OK(
        database->Execute("CREATE TABLE IF NOT EXISTS t (n INTEGER PRIMARY KEY, s TEXT UNIQUE, "
                          "positive INTEGER CHECK (positive > 0)) STRICT"));
  }

  std::unique_ptr<Database> Open() { return ValueOf(Database::Open(path())); }
  std::filesystem::path path() const { return dir / "state.db"; }
  int64_t Rows() { return ValueOf(database->QueryInt64("SELECT count(*) FROM t")); }

  testing::TempDir dir;
  std::unique_ptr<Database> database;
};

TEST_CASE("a new database file can be read by its owner only", "[state][database]") {
  Context context;
  REQUIRE_OK(context.database->Execute("INSERT INTO t (n) VALUES (1)"));
  for (const char* suffix : {"", "-wal"}) {
    CHECK(testing::ModeOf(context.path().native() + suffix) == 0600);
  }
}

TEST_CASE("values come back as they were bound", "[state][database]") {
  Context context;
  const std::string text("a\0b\n\xff", 5);
  {
    Statement insert =
        ValueOf(context.database->Prepare("INSERT INTO t (n, s, positive) VALUES (?1, ?2, ?3)"));
    REQUIRE_OK(insert.Run(int64_t{-5}, text, std::nullopt));
    REQUIRE_OK(insert.Run(6, "", std::optional<uint32_t>(0xFFFFFFFF)));
    REQUIRE_OK(insert.Run(7, std::optional<std::string_view>(), 1));
  }
  Statement query = ValueOf(context.database->Prepare("SELECT n, s, positive FROM t ORDER BY n"));
  REQUIRE_OK(query.Bind());
  REQUIRE(ValueOf(query.Next()));
  CHECK(query.Int64(0) == -5);
  CHECK(query.Text(1) == text);
  CHECK(query.IsNull(2));
  REQUIRE(ValueOf(query.Next()));
  CHECK(query.Text(1).empty());
  CHECK_FALSE(query.IsNull(1));
  CHECK(query.Int64(2) == 0xFFFFFFFF);
  REQUIRE(ValueOf(query.Next()));
  CHECK(query.IsNull(1));
  CHECK_FALSE(ValueOf(query.Next()));
}

TEST_CASE("the same statement can be in use twice at once", "[state][database]") {
  Context context;
  REQUIRE_OK(context.database->Execute("INSERT INTO t (n) VALUES (1), (2)"));
  Statement outer = ValueOf(context.database->Prepare("SELECT n FROM t ORDER BY n"));
  Statement inner = ValueOf(context.database->Prepare("SELECT n FROM t ORDER BY n"));
  REQUIRE_OK(outer.Bind());
  REQUIRE_OK(inner.Bind());
  REQUIRE(ValueOf(outer.Next()));
  REQUIRE(ValueOf(inner.Next()));
  REQUIRE(ValueOf(inner.Next()));
  CHECK(outer.Int64(0) == 1);
  CHECK(inner.Int64(0) == 2);
}

TEST_CASE("a transaction that is not committed leaves nothing", "[state][database]") {
  Context context;
  {
    const Transaction transaction = ValueOf(Transaction::Begin(*context.database));
    REQUIRE_OK(context.database->Execute("INSERT INTO t (n) VALUES (1)"));
    CHECK(context.database->in_transaction());
    CHECK(context.Rows() == 1);
  }
  CHECK_FALSE(context.database->in_transaction());
  CHECK(context.Rows() == 0);
}

TEST_CASE("a committed transaction outlives the database object", "[state][database]") {
  Context context;
  {
    Transaction transaction = ValueOf(Transaction::Begin(*context.database));
    REQUIRE_OK(context.database->Execute("INSERT INTO t (n) VALUES (1)"));
    REQUIRE_OK(transaction.Commit());
  }
  context.database.reset();
  CHECK_FALSE(std::filesystem::exists(context.path().native() + "-wal"));
  context.database = context.Open();
  CHECK(context.Rows() == 1);
}

TEST_CASE("a broken constraint says which one", "[state][database]") {
  Context context;
  REQUIRE_OK(context.database->Execute("INSERT INTO t (n, s) VALUES (1, 'x')"));
  const absl::Status twice = context.database->Execute("INSERT INTO t (n, s) VALUES (2, 'x')");
  CHECK(twice.code() == absl::StatusCode::kAlreadyExists);
  CHECK(Message(twice) == context.path().native() + ": UNIQUE constraint failed: t.s");
  CHECK(context.database->Execute("INSERT INTO t (n) VALUES (1)").code() ==
        absl::StatusCode::kAlreadyExists);
  CHECK(context.database->Execute("INSERT INTO t (positive) VALUES (0)").code() ==
        absl::StatusCode::kFailedPrecondition);
  CHECK(context.database->Execute("INSERT INTO t (positive) VALUES ('text')").code() ==
        absl::StatusCode::kFailedPrecondition);
}

TEST_CASE("a full database is a full disk, and works again with room", "[state][database]") {
  Context context;
  const int64_t pages = ValueOf(context.database->QueryInt64("PRAGMA page_count"));
  REQUIRE_OK(context.database->Execute(fmt::format("PRAGMA max_page_count = {}", pages)));
  const std::string big = fmt::format("INSERT INTO t (s) VALUES ('{}')", std::string(9000, 'x'));
  const absl::Status full = context.database->Execute(big);
  CHECK(full.code() == absl::StatusCode::kResourceExhausted);
  CHECK(Message(full).starts_with(context.path().native()));
  CHECK(HintOf(full).has_value());
  CHECK(context.Rows() == 0);
  REQUIRE_OK(context.database->Execute("PRAGMA max_page_count = 1000"));
  CHECK(context.database->Execute(big).ok());
}

TEST_CASE("a second process is told that the database is in use", "[state][database]") {
  Context context;
  REQUIRE_OK(context.database->Execute("INSERT INTO t (n) VALUES (1)"));
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    const absl::Status status = Database::Open(context.path()).status();
    _exit(status.code() == absl::StatusCode::kUnavailable && HintOf(status).has_value() ? 0 : 1);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}

// Drops root's rights over files for as long as it lives.
class OtherUser {
 public:
  OtherUser() {
    if (geteuid() == 0) REQUIRE(seteuid(65534) == 0);
  }
  ~OtherUser() {
    if (getuid() == 0) (void)!seteuid(0);
  }
};

TEST_CASE("a database that can't be written is refused, not opened to read", "[state][database]") {
  Context context;
  context.database.reset();
  REQUIRE(chmod(context.dir.path().c_str(), 0755) == 0);
  REQUIRE(chmod(context.path().c_str(), 0444) == 0);
  absl::Status status;
  {
    const OtherUser other;
    status = Database::Open(context.path()).status();
  }
  CHECK(status.code() == absl::StatusCode::kPermissionDenied);
  CHECK(Message(status) == context.path().native() + ": Permission denied");
  CHECK(HintOf(status).has_value());
}

TEST_CASE("a directory in place of the database is named", "[state][database]") {
  const testing::TempDir dir;
  const absl::Status status = Database::Open(dir.path()).status();
  CHECK(status.code() == absl::StatusCode::kFailedPrecondition);
  CHECK(Message(status) == dir.path().native() + " is not a file");
}

TEST_CASE("a database in a directory that is not there is not found", "[state][database]") {
  const testing::TempDir dir;
  CHECK(Database::Open(dir / "absent" / "state.db").status().code() == absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace ember::state
