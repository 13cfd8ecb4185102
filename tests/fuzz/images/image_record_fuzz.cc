// The file that the image store keeps of each image, and the file names of its names.
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string_view>

#include "backends/images/image_name.h"
#include "backends/images/record_json.h"
#include "base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ember::images;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  // What is a name is written in one way only.
  if (const auto name = ImageNameFromFile(input); name.has_value()) {
    EMBER_CHECK(ImageNameToFile(*name) == input);
  }
  const std::string file = ImageNameToFile(input);
  EMBER_CHECK(file.find('/') == file.npos && !file.starts_with('.'));
  if (!input.empty()) EMBER_CHECK(ImageNameFromFile(file) == input);

  const auto record = nlohmann::json::parse(input, nullptr, /*allow_exceptions=*/false);
  if (!record.is_object()) return 0;
  const auto image = ImageRecordFromJson(record, "fuzz.json");
  // What was read is written again as the same image.
  if (image.ok()) {
    const auto again = ImageRecordFromJson(ImageRecordToJson(*image), "fuzz.json");
    EMBER_CHECK(again.ok() && *again == *image);
  }
  return 0;
}
