#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "state/database.h"

namespace ember::state {

// The table of single values. Every function is a part of the caller's transaction. Lives where its
// database lives.
class MetaTable {
 public:
  // Borrows `database`.
  explicit MetaTable(Database& database) : database_(database) {}

  absl::StatusOr<std::optional<std::string>> Get(std::string_view key);
  absl::Status Set(std::string_view key, std::string_view value);

 private:
  Database& database_;
};

}  // namespace ember::state
