#pragma once

#include <string_view>

namespace ember::state {

// The content of schema.sql.
extern const std::string_view kSchemaSql;

// The content of schema_step_1.sql: from schema 1 to schema 2.
extern const std::string_view kSchemaStep1Sql;

}  // namespace ember::state
