#include "backends/images/record_json.h"

#include "backends/images/record_file.h"
#include "base/status.h"
#include "base/status_macros.h"

namespace ember::images {
namespace {

using nlohmann::json;

absl::Status Damaged(const std::filesystem::path& path, std::string_view what) {
  return DataLoss("{} is damaged: {}", path.native(), what);
}

absl::StatusOr<std::vector<ImageLayer>> ReadLayers(const json& record,
                                                   const std::filesystem::path& path) {
  std::vector<ImageLayer> layers;
  const auto field = record.find("layers");
  if (field == record.end()) return layers;
  if (!field->is_array()) return Damaged(path, "'layers' is no list");
  for (const json& layer : *field) {
    if (!layer.is_object()) return Damaged(path, "a layer is no object");
    layers.push_back(
        {TextField(layer, "digest"), static_cast<uint64_t>(NumberField(layer, "size_bytes"))});
    if (DigestHex(layers.back().digest).empty()) return Damaged(path, "a layer has no digest");
  }
  return layers;
}

}  // namespace

json ImageRecordToJson(const ImageRecord& image) {
  json record = {{"id", image.id},
                 {"source", image.source},
                 {"digest", image.digest},
                 {"size_bytes", image.size_bytes},
                 {"created_at", FormatRecordTime(image.created_at)},
                 {"config", json::parse(ImageConfigToJson(image.config))}};
  for (const ImageLayer& layer : image.layers) {
    record["layers"].push_back({{"digest", layer.digest}, {"size_bytes", layer.size_bytes}});
  }
  if (image.manifest.digest.empty()) return record;
  record["manifest"] = image.manifest.digest;
  record["manifest_config"] = image.manifest.config_digest;
  return record;
}

absl::StatusOr<ImageRecord> ImageRecordFromJson(const json& record,
                                                const std::filesystem::path& path) {
  ImageRecord image;
  image.id = TextField(record, "id");
  image.source = TextField(record, "source");
  image.digest = TextField(record, "digest");
  image.size_bytes = static_cast<uint64_t>(NumberField(record, "size_bytes"));
  image.created_at = TimeField(record, "created_at");
  image.manifest.digest = TextField(record, "manifest");
  if (!image.manifest.digest.empty()) {
    image.manifest.config_digest = TextField(record, "manifest_config");
    if (DigestHex(image.manifest.digest).empty() || DigestHex(image.manifest.config_digest).empty())
      return Damaged(path, "its manifest has no digest");
  }
  ASSIGN_OR_RETURN(image.layers, ReadLayers(record, path));
  const auto config = record.find("config");
  if (config == record.end() || !config->is_object()) return Damaged(path, "it has no config");
  auto parsed = ImageConfigFromJson(config->dump(-1, ' ', false, json::error_handler_t::replace));
  if (!parsed.ok()) return Damaged(path, Message(parsed.status()));
  image.config = *std::move(parsed);
  if (DigestHex(image.digest).empty() || image.id != ImageId(image.digest, image.config)) {
    return Damaged(path, "its id is not that of its content");
  }
  return image;
}

}  // namespace ember::images
