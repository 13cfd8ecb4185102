#include "backends/images/oci/docker_manifest.h"

#include <nlohmann/json.hpp>

#include "backends/images/entry_path.h"
#include "backends/images/oci/manifest.h"
#include "base/status.h"
#include "base/status_macros.h"

namespace ember::images {
namespace {

using nlohmann::json;

absl::StatusOr<std::vector<std::string>> Texts(const json& item, const char* name, size_t most,
                                               std::string_view what) {
  std::vector<std::string> texts;
  const auto field = item.find(name);
  // Null is how Go writes an empty list.
  if (field == item.end() || field->is_null()) return texts;
  if (!field->is_array() || field->size() > most) {
    return InvalidArgument("{}: '{}' is no list of at most {} texts", what, name, most);
  }
  for (const json& text : *field) {
    if (!text.is_string()) return InvalidArgument("{}: '{}' is no list of texts", what, name);
    texts.push_back(text);
  }
  return texts;
}

absl::StatusOr<DockerArchiveItem> ParseItem(const json& object, std::string_view what) {
  if (!object.is_object()) return InvalidArgument("{} is no list of JSON objects", what);
  DockerArchiveItem item;
  const auto config = object.find("Config");
  if (config == object.end() || !config->is_string()) {
    return InvalidArgument("{}: an image has no 'Config'", what);
  }
  ASSIGN_OR_RETURN(item.config, NormalizePath(config->get<std::string>()));
  ASSIGN_OR_RETURN(item.names, Texts(object, "RepoTags", kMaxLayers, what));
  ASSIGN_OR_RETURN(item.layers, Texts(object, "Layers", kMaxLayers, what));
  for (std::string& layer : item.layers) {
    ASSIGN_OR_RETURN(layer, NormalizePath(layer));
  }
  return item;
}

}  // namespace

absl::StatusOr<std::vector<DockerArchiveItem>> ParseDockerManifest(std::string_view text,
                                                                   std::string_view what) {
  const json document = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!document.is_array()) return InvalidArgument("{} is no JSON list", what);
  std::vector<DockerArchiveItem> items;
  for (const json& object : document) {
    ASSIGN_OR_RETURN(DockerArchiveItem item, ParseItem(object, what));
    items.push_back(std::move(item));
  }
  return items;
}

std::string DockerManifestToJson(const DockerArchiveItem& item) {
  const json document =
      json::array({{{"Config", item.config}, {"RepoTags", item.names}, {"Layers", item.layers}}});
  return document.dump(-1, ' ', /*ensure_ascii=*/false, json::error_handler_t::replace);
}

}  // namespace ember::images
