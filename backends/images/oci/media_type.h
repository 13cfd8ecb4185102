#pragma once

#include <string_view>

#include "absl/status/status.h"

namespace ember::images {

// What a document or blob of an image is, whether OCI (image-spec v1, media-types.md) or Docker
// (Image Manifest Version 2, Schema 2) names it.
enum class MediaKind {
  kIndex,     // a list of manifests, one for each platform
  kManifest,  // one image: a config and layers
  kConfig,
  kLayer,  // a tar archive: plain, gzip or zstd
  kUnknown,
};

MediaKind KindOf(std::string_view media_type);

// InvalidArgument for a media type that is not of the kind: it names the type and, for the ones
// that people meet, says what it is ("a Helm chart …").
absl::Status CheckMediaType(std::string_view media_type, MediaKind wanted, std::string_view what);

inline constexpr std::string_view kOciIndex = "application/vnd.oci.image.index.v1+json";
inline constexpr std::string_view kOciManifest = "application/vnd.oci.image.manifest.v1+json";
inline constexpr std::string_view kOciConfig = "application/vnd.oci.image.config.v1+json";
inline constexpr std::string_view kOciLayerTar = "application/vnd.oci.image.layer.v1.tar";
inline constexpr std::string_view kOciLayerGzip = "application/vnd.oci.image.layer.v1.tar+gzip";

}  // namespace ember::images
