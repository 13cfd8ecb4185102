#include "backends/images/oci/oci_image.h"

#include <filesystem>
#include <nlohmann/json.hpp>
#include <system_error>

#include "backends/images/host_architecture.h"
#include "backends/images/oci/manifest.h"
#include "base/status.h"
#include "base/status_macros.h"

namespace ember::images {
namespace {

constexpr int kMaxIndexDepth = 4;

// Go's names of architectures are Debian's.
std::string_view Architecture() { return ThisArchitecture().debian; }

absl::StatusOr<std::string> ReadDocument(const BlobStore& store, std::string_view digest,
                                         uint64_t max_bytes, std::string_view what) {
  auto document = store.Read(digest, max_bytes);
  if (document.ok()) return document;
  return Annotate(document.status(), what);
}

// Follows indexes until there is a manifest; answers its digest.
absl::StatusOr<std::string> FindManifest(const BlobStore& store, std::string digest,
                                         std::string& text) {
  for (int depth = 0; depth < kMaxIndexDepth; ++depth) {
    ASSIGN_OR_RETURN(text, ReadDocument(store, digest, kMaxManifestBytes, "image manifest"));
    const std::string what = fmt::format("image manifest {}", ShortDigest(digest));
    ASSIGN_OR_RETURN(const MediaKind kind, KindOfDocument(text, what));
    if (kind == MediaKind::kManifest) return digest;
    ASSIGN_OR_RETURN(const std::vector<IndexItem> items, ParseIndex(text, what));
    ASSIGN_OR_RETURN(const IndexItem item, PickItem(items, Architecture(), what));
    digest = item.manifest.digest;
  }
  return InvalidArgument("image index {} leads through more than {} indexes", ShortDigest(digest),
                         kMaxIndexDepth);
}

absl::Status CheckLayerBlob(const BlobStore& store, const Descriptor& layer) {
  std::error_code error;
  const uint64_t size = std::filesystem::file_size(store.Path(layer.digest), error);
  if (error) return NotFound("layer {} is not in the store", layer.digest);
  if (size == layer.size_bytes) return absl::OkStatus();
  return DataLoss("layer {} has {} bytes where the manifest says {}", layer.digest, size,
                  layer.size_bytes);
}

// The config's fields were checked by ReadOciImageConfig; only "os" is not among them.
absl::Status CheckPlatform(std::string_view config_json, const ImageConfig& config) {
  const nlohmann::json document = nlohmann::json::parse(config_json, nullptr, false);
  const auto field = document.find("os");
  const std::string os =
      field != document.end() && field->is_string() ? field->get<std::string>() : "";
  const bool os_fits = os.empty() || os == "linux";
  if (os_fits && (config.architecture.empty() || config.architecture == Architecture())) {
    return absl::OkStatus();
  }
  return FailedPrecondition("the image is for {}/{}; this host runs linux/{}",
                            os.empty() ? "linux" : os, config.architecture, Architecture());
}

}  // namespace

absl::StatusOr<OciImage> ReadOciImage(const BlobStore& store, std::string_view manifest_digest) {
  OciImage image;
  std::string text;
  ASSIGN_OR_RETURN(image.manifest_digest, FindManifest(store, std::string(manifest_digest), text));
  const std::string what = fmt::format("image manifest {}", ShortDigest(image.manifest_digest));
  ASSIGN_OR_RETURN(const Manifest manifest, ParseManifest(text, what));
  image.config_digest = manifest.config.digest;
  ASSIGN_OR_RETURN(const std::string config,
                   ReadDocument(store, image.config_digest, kMaxConfigBytes, "image config"));
  if (config.size() != manifest.config.size_bytes) {
    return DataLoss("the image config {} has {} bytes where the manifest says {}",
                    image.config_digest, config.size(), manifest.config.size_bytes);
  }
  ASSIGN_OR_RETURN(image.config, ReadOciImageConfig(config));
  RETURN_IF_ERROR(CheckPlatform(config, image.config));
  ASSIGN_OR_RETURN(const std::vector<std::string> diff_ids, ParseDiffIds(config, "image config"));
  if (diff_ids.size() != manifest.layers.size()) {
    return InvalidArgument("{} has {} layers, but its config has {} diff_ids", what,
                           manifest.layers.size(), diff_ids.size());
  }
  for (size_t i = 0; i < diff_ids.size(); ++i) {
    const Descriptor& layer = manifest.layers[i];
    RETURN_IF_ERROR(CheckLayerBlob(store, layer));
    image.layers.push_back({layer.digest, layer.media_type, layer.size_bytes, diff_ids[i]});
  }
  return image;
}

}  // namespace ember::images
