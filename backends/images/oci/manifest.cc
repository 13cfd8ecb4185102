#include "backends/images/oci/manifest.h"

#include <nlohmann/json.hpp>
#include <set>

#include "absl/strings/str_join.h"
#include "backends/images/oci/blob_store.h"
#include "base/status.h"
#include "base/status_macros.h"

namespace ember::images {
namespace {

using nlohmann::json;

constexpr char kRefName[] = "org.opencontainers.image.ref.name";
constexpr char kContainerdName[] = "io.containerd.image.name";
constexpr size_t kMaxIndexItems = 4096;

absl::StatusOr<json> ParseObject(std::string_view text, std::string_view what) {
  if (text.size() > kMaxConfigBytes) {
    return InvalidArgument("{} is {} bytes long, which no such document is", what, text.size());
  }
  json document = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (document.is_object()) return document;
  return InvalidArgument("{} is not a JSON object", what);
}

// A text field; empty when it is missing or of another type.
std::string Text(const json& object, const char* name) {
  const auto field = object.find(name);
  return field != object.end() && field->is_string() ? field->get<std::string>() : "";
}

absl::StatusOr<Descriptor> ParseDescriptor(const json& object, const std::string& what) {
  if (!object.is_object()) return InvalidArgument("{} is not a JSON object", what);
  Descriptor descriptor{Text(object, "mediaType"), Text(object, "digest"), 0};
  if (absl::Status bad = CheckDigest(descriptor.digest); !bad.ok()) return Annotate(bad, what);
  const auto size = object.find("size");
  if (size == object.end() || !size->is_number_integer() || *size < 0 || *size > INT64_MAX) {
    return InvalidArgument("{} ({}) has no size", what, descriptor.digest);
  }
  descriptor.size_bytes = size->get<uint64_t>();
  return descriptor;
}

absl::StatusOr<const json*> ListField(const json& object, const char* name, size_t most,
                                      std::string_view what) {
  const auto field = object.find(name);
  if (field == object.end() || !field->is_array()) {
    return InvalidArgument("{} has no list '{}'", what, name);
  }
  if (field->size() <= most) return &*field;
  return InvalidArgument("{} lists {} {}; at most {} are taken", what, field->size(), name, most);
}

absl::StatusOr<IndexItem> ParseItem(const json& object, const std::string& what) {
  IndexItem item;
  ASSIGN_OR_RETURN(item.manifest, ParseDescriptor(object, what));
  if (const auto platform = object.find("platform");
      platform != object.end() && platform->is_object()) {
    item.os = Text(*platform, "os");
    item.architecture = Text(*platform, "architecture");
  }
  if (const auto notes = object.find("annotations"); notes != object.end() && notes->is_object()) {
    item.name = Text(*notes, kContainerdName);
    if (item.name.empty()) item.name = Text(*notes, kRefName);
  }
  return item;
}

json DescriptorJson(const Descriptor& descriptor) {
  return {{"mediaType", descriptor.media_type},
          {"digest", descriptor.digest},
          {"size", descriptor.size_bytes}};
}

std::string Dump(const json& document) {
  return document.dump(-1, ' ', /*ensure_ascii=*/false, json::error_handler_t::replace);
}

}  // namespace

absl::StatusOr<MediaKind> KindOfDocument(std::string_view text, std::string_view what) {
  ASSIGN_OR_RETURN(const json document, ParseObject(text, what));
  const std::string media_type = Text(document, "mediaType");
  if (media_type.empty()) {
    if (document.contains("manifests")) return MediaKind::kIndex;
    if (document.contains("config") && document.contains("layers")) return MediaKind::kManifest;
    if (document.contains("fsLayers")) {
      return CheckMediaType("application/vnd.docker.distribution.manifest.v1+json",
                            MediaKind::kManifest, what);
    }
    return InvalidArgument("{} is neither an image manifest nor an image index", what);
  }
  if (KindOf(media_type) == MediaKind::kIndex) return MediaKind::kIndex;
  RETURN_IF_ERROR(CheckMediaType(media_type, MediaKind::kManifest, what));
  return MediaKind::kManifest;
}

absl::StatusOr<Manifest> ParseManifest(std::string_view text, std::string_view what) {
  ASSIGN_OR_RETURN(const json document, ParseObject(text, what));
  Manifest manifest;
  const auto config = document.find("config");
  if (config == document.end()) return InvalidArgument("{} names no config", what);
  const std::string config_of = fmt::format("the config of {}", what);
  ASSIGN_OR_RETURN(manifest.config, ParseDescriptor(*config, config_of));
  RETURN_IF_ERROR(CheckMediaType(manifest.config.media_type, MediaKind::kConfig, config_of));
  ASSIGN_OR_RETURN(const json* layers, ListField(document, "layers", kMaxLayers, what));
  for (const json& item : *layers) {
    const std::string layer_of = fmt::format("layer {} of {}", manifest.layers.size() + 1, what);
    ASSIGN_OR_RETURN(Descriptor layer, ParseDescriptor(item, layer_of));
    RETURN_IF_ERROR(CheckMediaType(layer.media_type, MediaKind::kLayer, layer_of));
    manifest.layers.push_back(std::move(layer));
  }
  return manifest;
}

absl::StatusOr<std::vector<IndexItem>> ParseIndex(std::string_view text, std::string_view what) {
  ASSIGN_OR_RETURN(const json document, ParseObject(text, what));
  ASSIGN_OR_RETURN(const json* manifests, ListField(document, "manifests", kMaxIndexItems, what));
  std::vector<IndexItem> items;
  for (const json& object : *manifests) {
    ASSIGN_OR_RETURN(IndexItem item,
                     ParseItem(object, fmt::format("item {} of {}", items.size() + 1, what)));
    items.push_back(std::move(item));
  }
  return items;
}

absl::StatusOr<IndexItem> PickItem(const std::vector<IndexItem>& items,
                                   std::string_view architecture, std::string_view what) {
  std::set<std::string> there;
  for (const IndexItem& item : items) {
    if (item.os == "linux" && item.architecture == architecture) return item;
    // Attestations come as items of an "unknown" platform.
    if (!item.os.empty() && item.os != "unknown") there.insert(item.os + "/" + item.architecture);
  }
  if (items.size() == 1 && items[0].os.empty() && items[0].architecture.empty()) return items[0];
  return NotFound("{} has nothing for linux/{}; it has {}", what, architecture,
                  there.empty() ? "no platform at all" : absl::StrJoin(there, ", "));
}

absl::StatusOr<std::vector<std::string>> ParseDiffIds(std::string_view config_json,
                                                      std::string_view what) {
  ASSIGN_OR_RETURN(const json document, ParseObject(config_json, what));
  const auto rootfs = document.find("rootfs");
  if (rootfs == document.end() || !rootfs->is_object()) {
    return InvalidArgument("{} has no rootfs", what);
  }
  // Null is how Go writes an empty list.
  if (const auto ids = rootfs->find("diff_ids"); ids != rootfs->end() && ids->is_null()) {
    return std::vector<std::string>();
  }
  ASSIGN_OR_RETURN(const json* ids, ListField(*rootfs, "diff_ids", kMaxLayers, what));
  std::vector<std::string> diff_ids;
  for (const json& id : *ids) {
    if (!id.is_string()) return InvalidArgument("{} has a diff_id that is no text", what);
    diff_ids.push_back(id);
    if (absl::Status bad = CheckDigest(diff_ids.back()); !bad.ok()) return Annotate(bad, what);
  }
  return diff_ids;
}

std::string ManifestToJson(const Manifest& manifest) {
  json layers = json::array();
  for (const Descriptor& layer : manifest.layers) layers.push_back(DescriptorJson(layer));
  return Dump({{"schemaVersion", 2},
               {"mediaType", kOciManifest},
               {"config", DescriptorJson(manifest.config)},
               {"layers", layers}});
}

std::string IndexToJson(const Descriptor& manifest, std::string_view name) {
  json item = DescriptorJson(manifest);
  if (!name.empty()) item["annotations"] = {{kRefName, name}, {kContainerdName, name}};
  return Dump({{"schemaVersion", 2}, {"mediaType", kOciIndex}, {"manifests", json::array({item})}});
}

}  // namespace ember::images
