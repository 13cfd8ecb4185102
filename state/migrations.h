#pragma once

#include <filesystem>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "state/database.h"

// The schema of state.db has a number, kept in the file (PRAGMA user_version). schema.sql is the
// newest one, for new files; an older file is brought up to it step by step.
namespace ember::state {

// Marks a file as ours (PRAGMA application_id): "EMBR".
inline constexpr int kApplicationId = 0x454D4252;

struct SchemaStep {
  int from;              // turns schema `from` into `from` + 1
  std::string_view sql;  // a script; runs in a transaction, with foreign keys off until its end
};

// All that is known about schemas. `steps` are in order, without a gap, up to `version`.
struct SchemaPlan {
  int version;              // of `schema`
  std::string_view schema;  // the script for a new file
  std::vector<SchemaStep> steps;
};

// The plan of this program: schema.sql and its steps.
SchemaPlan CurrentSchemaPlan();

// Where the content of `database`, a path, is kept as it was at schema `version`:
// "state.db.schema-1.bak" beside it. Mode 0600; nobody removes it but a person.
std::filesystem::path SchemaBackup(const std::filesystem::path& database, int version);

// Brings `database` to plan.version and trusts it (Database::Trust). Each step is one transaction
// that ends with a check of all foreign keys: after a failure the file has the last schema that was
// reached whole. Before each step the database is copied to SchemaBackup: without the copy, e.g.
// on a full disk, there is no step and the file stays as it is. Refused, with the file unchanged: a
// newer schema than the plan's and an older one without a step (FailedPrecondition, reason
// STATE_TOO_NEW or STATE_TOO_OLD), and a database that is not Ember's (FailedPrecondition, reason
// STATE_NOT_OURS).
absl::Status Migrate(Database& database, const SchemaPlan& plan);

}  // namespace ember::state
