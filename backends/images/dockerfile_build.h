#pragma once

#include <filesystem>

#include "absl/status/statusor.h"
#include "backends/images/build_recipe.h"
#include "backends/images/progress.h"
#include "base/cancellation.h"

namespace ember::images {

// Builds an image from a Dockerfile and answers the archive (OCI or docker-archive) that holds it,
// below `scratch`, which exists, is empty and is removed by the caller. With buildah and chroot
// isolation, as root or not, whose storage is in `scratch` too; where there is no buildah, with
// docker or podman, whose image is removed again. What the tool prints comes as progress; it and
// what it started end with `cancellation`. InvalidArgument for a context or Dockerfile that is not
// there and for a build that fails, FailedPrecondition without any of the tools.
absl::StatusOr<std::filesystem::path> BuildDockerfile(const BuildRecipe& recipe,
                                                      const std::filesystem::path& scratch,
                                                      const ProgressSink& sink,
                                                      const Cancellation& cancellation);

}  // namespace ember::images
