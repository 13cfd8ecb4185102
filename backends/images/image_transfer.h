#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "absl/status/statusor.h"
#include "backends/images/image_store.h"
#include "backends/images/oci/transfer.h"

// Images in layers, as registries and archives have them, into the store and out of it. All block
// within the cancellation, report to the sink and leave nothing behind when they fail, but for the
// layers that have arrived: the next pull goes on with them, a prune removes them.
namespace ember::images {

struct PullRequest {
  std::string reference;  // as people write it: "alpine:3.19"
  std::string name;       // what it is to be called; empty: as it was called there
  std::filesystem::path auth_file;
  bool plain_http = false;
  uint64_t size_bytes = 0;  // of the filesystem; 0: what the content needs
  PullPatience patience = {};

  // The same for requests that ask for the same work.
  std::string Key() const;
};

// Fetches an image from a registry. A name that was pulled before moves to what the registry has
// now; the image that had it stays, without it. AlreadyExists when PullRequest::name belongs to
// another image.
absl::StatusOr<ImageRecord> PullImage(ImageStore& store, const PullRequest& request,
                                      const ProgressSink& sink, const Cancellation& cancellation);

struct LoadRequest {
  std::filesystem::path path;  // an OCI archive or a docker-archive
  std::string name;            // empty: what the archive says
  uint64_t size_bytes = 0;
};

// Reads the images of an archive, all of them unless `name` is given, and answers the first. Names
// that the archive gives move to what it holds. InvalidArgument when it holds several for one name,
// or one without any.
absl::StatusOr<ImageRecord> LoadImage(ImageStore& store, const LoadRequest& request,
                                      const ProgressSink& sink, const Cancellation& cancellation);

// Takes the image of an archive that was built from a Dockerfile, as `name` (from CheckFree).
absl::StatusOr<ImageRecord> TakeBuiltImage(ImageStore& store, const std::string& name,
                                           const std::string& source,
                                           const std::filesystem::path& archive,
                                           uint64_t size_bytes, const ProgressSink& sink,
                                           const Cancellation& cancellation);

struct SaveRequest {
  std::string name;
  std::filesystem::path path;  // absolute
  ArchiveFormat format = ArchiveFormat::kOci;
};

struct SavedImage {
  std::filesystem::path path;
  uint64_t size_bytes = 0;
};

// Writes an image as an archive: the layers that it came in, else one layer of its files.
// AlreadyExists when there is such a file.
absl::StatusOr<SavedImage> SaveImage(ImageStore& store, const SaveRequest& request,
                                     const ProgressSink& sink, const Cancellation& cancellation);

}  // namespace ember::images
