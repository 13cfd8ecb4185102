#include "backends/images/record_file.h"

#include "base/file.h"
#include "base/status.h"
#include "base/status_macros.h"

namespace ember::images {

absl::StatusOr<nlohmann::json> ReadRecordFile(const std::filesystem::path& path) {
  ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  nlohmann::json record = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!record.is_object()) return DataLoss("{} is damaged: no JSON object", path.native());
  return record;
}

absl::Status WriteRecordFile(const std::filesystem::path& path, const nlohmann::json& record) {
  // A path that is no UTF-8 must not throw: its odd bytes are replaced.
  const std::string text =
      record.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  return WriteFileAtomically(path, text, 0644);
}

std::string TextField(const nlohmann::json& record, const char* field) {
  const auto found = record.find(field);
  return found != record.end() && found->is_string() ? found->get<std::string>() : "";
}

int64_t NumberField(const nlohmann::json& record, const char* field) {
  const auto found = record.find(field);
  return found != record.end() && found->is_number_integer() ? found->get<int64_t>() : 0;
}

absl::Time TimeField(const nlohmann::json& record, const char* field) {
  absl::Time time = absl::UnixEpoch();
  std::string error;
  absl::ParseTime(absl::RFC3339_full, TextField(record, field), &time, &error);
  return time;
}

std::string FormatRecordTime(absl::Time time) {
  return absl::FormatTime(absl::RFC3339_full, time, absl::UTCTimeZone());
}

}  // namespace ember::images
