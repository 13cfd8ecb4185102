#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "backends/images/oci/media_type.h"

// The JSON documents that describe an image (image-spec v1, manifest.md and image-index.md;
// Docker's schema 2 has the same shape). What is read here is complete, of known media types, and
// all its digests have passed CheckDigest. `what` names the document in errors, which are
// InvalidArgument.
namespace ember::images {

// Documents above that are refused, as registries do.
inline constexpr uint64_t kMaxManifestBytes = uint64_t{4} << 20;
inline constexpr uint64_t kMaxConfigBytes = uint64_t{8} << 20;
// Layers of one image; Docker's own limit is 127.
inline constexpr size_t kMaxLayers = 1024;

// A blob as a document refers to it.
struct Descriptor {
  std::string media_type;
  std::string digest;
  uint64_t size_bytes = 0;

  friend bool operator==(const Descriptor&, const Descriptor&) = default;
};

struct Manifest {
  Descriptor config;
  std::vector<Descriptor> layers;  // the base first

  friend bool operator==(const Manifest&, const Manifest&) = default;
};

// One image of an index and where it runs.
struct IndexItem {
  Descriptor manifest;
  std::string os;            // as Go calls it: "linux"; empty: not said
  std::string architecture;  // "amd64"
  std::string name;  // org.opencontainers.image.ref.name or what containerd writes; or empty

  friend bool operator==(const IndexItem&, const IndexItem&) = default;
};

// Whether a document is a manifest or an index. Documents need not say, so their shape counts where
// they don't.
absl::StatusOr<MediaKind> KindOfDocument(std::string_view json, std::string_view what);

absl::StatusOr<Manifest> ParseManifest(std::string_view json, std::string_view what);
absl::StatusOr<std::vector<IndexItem>> ParseIndex(std::string_view json, std::string_view what);

// The item for Linux on `architecture` (the first of several); where an index holds a single one
// that says nothing of its platform, that one. NotFound lists what there is.
absl::StatusOr<IndexItem> PickItem(const std::vector<IndexItem>& items,
                                   std::string_view architecture, std::string_view what);

// The digests of the unpacked layers, from a config's rootfs.diff_ids.
absl::StatusOr<std::vector<std::string>> ParseDiffIds(std::string_view config_json,
                                                      std::string_view what);

std::string ManifestToJson(const Manifest& manifest);
// An index of one image, under `name` unless that is empty.
std::string IndexToJson(const Descriptor& manifest, std::string_view name);

}  // namespace ember::images
