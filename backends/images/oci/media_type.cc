#include "backends/images/oci/media_type.h"

#include <array>

#include "base/status.h"

namespace ember::images {
namespace {

struct Known {
  std::string_view media_type;
  MediaKind kind;
};

constexpr std::array kKnown = {
    Known{kOciIndex, MediaKind::kIndex},
    Known{"application/vnd.docker.distribution.manifest.list.v2+json", MediaKind::kIndex},
    Known{kOciManifest, MediaKind::kManifest},
    Known{"application/vnd.docker.distribution.manifest.v2+json", MediaKind::kManifest},
    Known{kOciConfig, MediaKind::kConfig},
    Known{"application/vnd.docker.container.image.v1+json", MediaKind::kConfig},
    Known{kOciLayerTar, MediaKind::kLayer},
    Known{kOciLayerGzip, MediaKind::kLayer},
    Known{"application/vnd.oci.image.layer.v1.tar+zstd", MediaKind::kLayer},
    Known{"application/vnd.oci.image.layer.nondistributable.v1.tar", MediaKind::kLayer},
    Known{"application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", MediaKind::kLayer},
    Known{"application/vnd.oci.image.layer.nondistributable.v1.tar+zstd", MediaKind::kLayer},
    Known{"application/vnd.docker.image.rootfs.diff.tar", MediaKind::kLayer},
    Known{"application/vnd.docker.image.rootfs.diff.tar.gzip", MediaKind::kLayer},
    Known{"application/vnd.docker.image.rootfs.diff.tar.zstd", MediaKind::kLayer},
};

struct Foreign {
  std::string_view part;  // of the media type
  std::string_view means;
};

constexpr std::array kForeign = {
    Foreign{"docker.distribution.manifest.v1", "an image of Docker's schema 1, given up in 2017"},
    Foreign{"docker.image.rootfs.foreign", "a layer of a Windows image"},
    Foreign{"cncf.helm", "a Helm chart, not an image"},
    Foreign{"vnd.wasm", "a WebAssembly module, not an image"},
    Foreign{"+encrypted", "an encrypted layer"},
};

std::string_view WordFor(MediaKind kind) {
  switch (kind) {
    case MediaKind::kIndex:
      return "an image index";
    case MediaKind::kManifest:
      return "an image manifest";
    case MediaKind::kConfig:
      return "an image configuration";
    case MediaKind::kLayer:
      return "a layer";
    case MediaKind::kUnknown:
      break;
  }
  return "anything known";
}

}  // namespace

MediaKind KindOf(std::string_view media_type) {
  for (const Known& known : kKnown) {
    if (known.media_type == media_type) return known.kind;
  }
  return MediaKind::kUnknown;
}

absl::Status CheckMediaType(std::string_view media_type, MediaKind wanted, std::string_view what) {
  if (KindOf(media_type) == wanted) return absl::OkStatus();
  for (const Foreign& foreign : kForeign) {
    if (media_type.find(foreign.part) == media_type.npos) continue;
    return InvalidArgument("{} has the media type '{}': {}", what, media_type, foreign.means);
  }
  return InvalidArgument("{} has the media type '{}', which is not that of {}", what, media_type,
                         WordFor(wanted));
}

}  // namespace ember::images
