#pragma once

#include <string_view>

namespace ember::state {

// The content of schema.sql.
extern const std::string_view kSchemaSql;

// The content of schema_step_1.sql: from schema 1 to schema 2.
extern const std::string_view kSchemaStep1Sql;

// The content of schema_step_2.sql: from schema 2 to schema 3.
extern const std::string_view kSchemaStep2Sql;

// The content of schema_step_3.sql: from schema 3 to schema 4.
extern const std::string_view kSchemaStep3Sql;

}  // namespace ember::state
