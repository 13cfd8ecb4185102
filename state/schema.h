#pragma once

#include <string_view>

namespace ember::state {

// The content of schema.sql.
extern const std::string_view kSchemaSql;

}  // namespace ember::state
