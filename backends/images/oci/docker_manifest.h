#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace ember::images {

// One image of a docker-archive, as its manifest.json lists it (what 'docker save' writes).
struct DockerArchiveItem {
  std::string config;               // path within the archive
  std::vector<std::string> names;   // "alpine:3.19"
  std::vector<std::string> layers;  // paths; the base first

  friend bool operator==(const DockerArchiveItem&, const DockerArchiveItem&) = default;
};

// Paths come out normalized. InvalidArgument, naming `what`, for anything else.
absl::StatusOr<std::vector<DockerArchiveItem>> ParseDockerManifest(std::string_view json,
                                                                   std::string_view what);

std::string DockerManifestToJson(const DockerArchiveItem& item);

}  // namespace ember::images
