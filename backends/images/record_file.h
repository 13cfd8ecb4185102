#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

// The small JSON files that describe an image or a kernel next to its bytes.
namespace ember::images {

// Reads such a file. DataLoss, naming the file, when it holds no JSON object.
absl::StatusOr<nlohmann::json> ReadRecordFile(const std::filesystem::path& path);

// Replaces such a file in one step and durably.
absl::Status WriteRecordFile(const std::filesystem::path& path, const nlohmann::json& record);

// A field of a record, or what stands for it when it is missing or of another type.
std::string TextField(const nlohmann::json& record, const char* field);
int64_t NumberField(const nlohmann::json& record, const char* field);
absl::Time TimeField(const nlohmann::json& record, const char* field);

// A point in time as records hold it: RFC 3339 in UTC with nanoseconds.
std::string FormatRecordTime(absl::Time time);

}  // namespace ember::images
