#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>

#include "absl/status/statusor.h"
#include "backends/images/image_record.h"

namespace ember::images {

// What the store writes of an image: all but its names, and what its files tell by themselves.
nlohmann::json ImageRecordToJson(const ImageRecord& image);
// The reverse; `path` is what errors call it. DataLoss when it is no such record, or its id is not
// that of its content.
absl::StatusOr<ImageRecord> ImageRecordFromJson(const nlohmann::json& record,
                                                const std::filesystem::path& path);

}  // namespace ember::images
