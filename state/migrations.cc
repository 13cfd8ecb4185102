#include "state/migrations.h"

#include <string>

#include "base/check.h"
#include "base/status.h"
#include "state/backup.h"
#include "state/schema.h"

namespace ember::state {
namespace {

constexpr int kSchemaVersion = 4;

absl::Status SetVersion(Database& database, int version) {
  return database.Execute(fmt::format("PRAGMA application_id = {}; PRAGMA user_version = {};",
                                      kApplicationId, version));
}

absl::Status CheckForeignKeys(Database& database) {
  ASSIGN_OR_RETURN(Statement check, database.Prepare("PRAGMA foreign_key_check"));
  RETURN_IF_ERROR(check.Bind());
  ASSIGN_OR_RETURN(const bool broken, check.Next());
  if (!broken) return absl::OkStatus();
  return Internal("{}: a row of table {} refers to a missing row of {}", database.path().native(),
                  check.Text(0), check.Text(2));
}

// Runs one script and moves the number, both or neither.
absl::Status Advance(Database& database, std::string_view sql, int to) {
  ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(database));
  RETURN_IF_ERROR(database.Execute(std::string(sql)));
  RETURN_IF_ERROR(CheckForeignKeys(database));
  RETURN_IF_ERROR(SetVersion(database, to));
  return transaction.Commit();
}

absl::Status CheckOurs(Database& database, bool fresh) {
  if (fresh) return absl::OkStatus();
  ASSIGN_OR_RETURN(const int64_t application, database.QueryInt64("PRAGMA application_id"));
  if (application == kApplicationId) return absl::OkStatus();
  const std::string& file = database.path().native();
  return WithReason(
      WithHint(FailedPrecondition("{} is a database of another program", file),
               fmt::format("nothing was changed; choose another state directory (--state-dir), or "
                           "move the file aside: mv {0} {0}.other",
                           file)),
      "STATE_NOT_OURS");
}

absl::Status CheckVersion(const Database& database, int64_t found, const SchemaPlan& plan) {
  if (found > plan.version) {
    return WithReason(
        WithHint(
            FailedPrecondition("{} was written by a newer ember (schema {}, this one knows {})",
                               database.path().native(), found, plan.version),
            "nothing was changed; install that ember again, or choose another state directory "
            "(--state-dir)"),
        "STATE_TOO_NEW");
  }
  const int oldest = plan.steps.empty() ? plan.version : plan.steps.front().from;
  if (found < oldest) {
    return WithReason(
        WithHint(FailedPrecondition("{} was written by an ember that is too old (schema {}, this "
                                    "one knows {} to {})",
                                    database.path().native(), found, oldest, plan.version),
                 "nothing was changed; start an ember in between once, or choose another state "
                 "directory (--state-dir)"),
        "STATE_TOO_OLD");
  }
  return absl::OkStatus();
}

// One step with its backup before it. The database is trusted no sooner than there is a backup.
absl::Status RunStep(Database& database, const SchemaStep& step) {
  RETURN_IF_ERROR(BackUp(database, SchemaBackup(database.path(), step.from)));
  RETURN_IF_ERROR(database.Trust());
  // A step may build a table anew under rows that refer to it. SQLite ignores this pragma inside
  // a transaction, so it stands around it.
  RETURN_IF_ERROR(database.Execute("PRAGMA foreign_keys = OFF;"));
  absl::Status advanced = Advance(database, step.sql, step.from + 1);
  RETURN_IF_ERROR(database.Execute("PRAGMA foreign_keys = ON;"));
  return advanced;
}

absl::Status RunSteps(Database& database, int64_t version, const SchemaPlan& plan) {
  for (const SchemaStep& step : plan.steps) {
    if (step.from != version) continue;
    const absl::Status done = RunStep(database, step);
    if (!done.ok()) {
      return Annotate(done,
                      fmt::format("migration from schema {} to {}", step.from, step.from + 1));
    }
    ++version;
  }
  EMBER_CHECK(version == plan.version);
  return database.Trust();
}

}  // namespace

SchemaPlan CurrentSchemaPlan() {
  return {.version = kSchemaVersion,
          .schema = kSchemaSql,
          .steps = {{.from = 1, .sql = kSchemaStep1Sql},
                    {.from = 2, .sql = kSchemaStep2Sql},
                    {.from = 3, .sql = kSchemaStep3Sql}}};
}

std::filesystem::path SchemaBackup(const std::filesystem::path& database, int version) {
  return fmt::format("{}.schema-{}.bak", database.native(), version);
}

absl::Status Migrate(Database& database, const SchemaPlan& plan) {
  ASSIGN_OR_RETURN(const int64_t version, database.QueryInt64("PRAGMA user_version"));
  ASSIGN_OR_RETURN(const int64_t objects,
                   database.QueryInt64("SELECT count(*) FROM sqlite_schema"));
  const bool fresh = version == 0 && objects == 0;
  RETURN_IF_ERROR(CheckOurs(database, fresh));
  if (!fresh) RETURN_IF_ERROR(CheckVersion(database, version, plan));
  if (!fresh) return RunSteps(database, version, plan);
  RETURN_IF_ERROR(database.Trust());
  return Advance(database, plan.schema, plan.version);
}

}  // namespace ember::state
