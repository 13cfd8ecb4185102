#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "backends/images/image_config.h"
#include "backends/images/image_reference.h"
#include "backends/images/oci/blob_store.h"
#include "backends/images/oci/oci_image.h"
#include "backends/images/progress.h"
#include "base/cancellation.h"

// How images come into a blob store and leave it. All calls block, report to the sink and end early
// with `cancellation`. What they verify and what they retry stands in docs/images.md.
namespace ember::images {

// When a pull gives up on a registry.
struct PullPatience {
  absl::Duration stall = absl::Seconds(60);       // without a byte; then the pull starts again
  int attempts = 5;                               // in a row that brought no new layer
  absl::Duration first_pause = absl::Seconds(2);  // before the second; doubled each time
};

// Which image, and how to get at it: from a registry, else from an archive.
struct FetchRequest {
  std::optional<ImageReference> reference;
  std::filesystem::path archive;    // an OCI archive or a docker-archive, also compressed
  std::string archive_item;         // which image of several, as ArchiveImages names it
  std::filesystem::path auth_file;  // containers-auth.json(5); empty: where skopeo looks itself
  bool plain_http = false;          // HTTP, or HTTPS with a certificate that is not checked
  // A folder on the store's filesystem; what a failure or a crash leaves in it is the caller's to
  // remove.
  std::filesystem::path scratch;
  PullPatience patience;
};

// Brings an image into the store and answers it as ReadOciImage would. Blobs that are there are not
// fetched again, and each one that arrives is kept at once, so a pull that failed or was killed
// goes on where it was. Errors: NotFound (no such image), PermissionDenied (with 'skopeo login' as
// hint), Unavailable (no such host, no route, a registry that fails), DeadlineExceeded (it stalls),
// ResourceExhausted (too many requests; or a full disk, with what is needed and what is free),
// FailedPrecondition (no skopeo; another architecture), InvalidArgument (not an image), DataLoss
// (wrong digest).
absl::StatusOr<OciImage> FetchImage(const FetchRequest& request, const BlobStore& store,
                                    const ProgressSink& sink, const Cancellation& cancellation);

// The names that an archive gives to its images, as references where it has them ("" for one that
// has none), in its order.
absl::StatusOr<std::vector<std::string>> ArchiveImages(const std::filesystem::path& archive,
                                                       const std::filesystem::path& scratch,
                                                       const Cancellation& cancellation);

// Makes an image of a single layer, a gzip archive of the ext4 file, in the store: for images that
// did not come in layers. The same file and config make the same digests.
absl::StatusOr<OciImage> MakeImageFromRootfs(const std::filesystem::path& ext4,
                                             const ImageConfig& config, const BlobStore& store,
                                             const std::filesystem::path& scratch,
                                             const ProgressSink& sink,
                                             const Cancellation& cancellation);

enum class ArchiveFormat {
  kOci,     // what podman, buildah, skopeo and newer docker read
  kDocker,  // what every docker reads
};

// Writes an image of the store as a new file `target`, under the name `reference`. AlreadyExists
// when there is such a file. Leaves nothing behind when it fails.
absl::Status WriteImageArchive(const BlobStore& store, const OciImage& image,
                               const ImageReference& reference, ArchiveFormat format,
                               const std::filesystem::path& target, const ProgressSink& sink,
                               const Cancellation& cancellation);

}  // namespace ember::images
