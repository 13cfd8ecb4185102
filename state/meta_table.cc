#include "state/meta_table.h"

namespace ember::state {

absl::StatusOr<std::optional<std::string>> MetaTable::Get(std::string_view key) {
  ASSIGN_OR_RETURN(Statement query, database_.Prepare("SELECT value FROM meta WHERE key = ?1"));
  RETURN_IF_ERROR(query.Bind(key));
  ASSIGN_OR_RETURN(const bool row, query.Next());
  return row ? std::optional(query.Text(0)) : std::nullopt;
}

absl::Status MetaTable::Set(std::string_view key, std::string_view value) {
  ASSIGN_OR_RETURN(Statement set,
                   database_.Prepare("INSERT INTO meta (key, value) VALUES (?1, ?2)"
                                     " ON CONFLICT DO UPDATE SET value = excluded.value"));
  return set.Run(key, value);
}

}  // namespace ember::state
