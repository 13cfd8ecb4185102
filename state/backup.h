#pragma once

#include <filesystem>

#include "absl/status/status.h"
#include "state/database.h"

namespace ember::state {

// Writes the whole content of `database` to `path`, a database file of its own with mode 0600:
// complete and on disk after success. It takes the place of an earlier file there in one step;
// after a failure that one is as it was and nothing else is left. The database itself is only
// read. Before: no transaction is open.
absl::Status BackUp(Database& database, const std::filesystem::path& path);

}  // namespace ember::state
