#include "backends/images/image_transfer.h"

#include <system_error>
#include <utility>

#include "backends/images/image_name.h"
#include "backends/images/image_reference.h"
#include "backends/images/oci/layers.h"
#include "base/status.h"
#include "base/status_macros.h"

namespace ember::images {
namespace {

// What is made from an image that is in the blob store.
struct Placement {
  std::string name;
  std::string source;
  uint64_t size_bytes = 0;
  NameMode mode = NameMode::kNew;
};

absl::StatusOr<ImageRecord> Place(ImageStore& store, const OciImage& image, const Placement& place,
                                  const ProgressSink& sink, const Cancellation& cancellation) {
  if (place.size_bytes == 0) {
    // The same manifest again: its root filesystem is there.
    ASSIGN_OR_RETURN(const std::vector<ImageRecord> images, store.List());
    for (const ImageRecord& known : images) {
      if (known.manifest.digest != image.manifest_digest) continue;
      return store.Tag(known.id, place.name, place.mode);
    }
  }
  NewImage fresh{place.source, image.config, {}, {image.manifest_digest, image.config_digest}};
  for (const OciLayer& layer : image.layers)
    fresh.layers.push_back({layer.digest, layer.size_bytes});
  return store.Make(place.name, fresh, LayersRootfs(store.blobs(), image),
                    {.size_bytes = place.size_bytes}, place.mode, sink, cancellation);
}

// A name that was given by hand is not taken from an image that came from elsewhere.
absl::StatusOr<NameMode> ModeFor(const ImageStore& store, const std::string& name,
                                 const std::string& source) {
  const auto known = store.Get(name);
  if (!known.ok()) return NameMode::kNew;
  if (known->source == source) return NameMode::kMove;
  return WithHint(AlreadyExists("image '{}' exists and came from '{}'", name, known->source),
                  fmt::format("choose another name, or run 'ember image delete {}' first", name));
}

absl::StatusOr<OciImage> FetchArchive(ImageStore& store, const std::filesystem::path& archive,
                                      const std::string& item, const ProgressSink& sink,
                                      const Cancellation& cancellation) {
  ASSIGN_OR_RETURN(const StagingDir scratch, store.Scratch());
  FetchRequest fetch;
  fetch.archive = archive;
  fetch.archive_item = item;
  fetch.scratch = scratch.path();
  return FetchImage(fetch, store.blobs(), sink, cancellation);
}

absl::StatusOr<Placement> PlacementFor(const ImageStore& store, const LoadRequest& request,
                                       const std::string& item) {
  const std::string source = "archive:" + request.path.filename().native();
  if (!request.name.empty()) {
    ASSIGN_OR_RETURN(std::string name, ImageName(request.name));
    ASSIGN_OR_RETURN(const NameMode mode, ModeFor(store, name, source));
    return Placement{std::move(name), source, request.size_bytes, mode};
  }
  if (item.empty()) {
    return WithHint(
        InvalidArgument("{}: the archive gives its image no name", request.path.native()),
        "give it one with --name NAME");
  }
  ASSIGN_OR_RETURN(std::string name, ImageName(item));
  return Placement{std::move(name), source, request.size_bytes, NameMode::kMove};
}

// An image without layers is made one of a single layer first, in a store that goes with `scratch`.
absl::Status WriteFlat(const ImageRecord& image, const std::filesystem::path& scratch,
                       const ImageReference& reference, const SaveRequest& request,
                       const ProgressSink& sink, const Cancellation& cancellation) {
  ASSIGN_OR_RETURN(const BlobStore blobs, BlobStore::Open(scratch));
  ASSIGN_OR_RETURN(const OciImage flat, MakeImageFromRootfs(image.rootfs, image.config, blobs,
                                                            scratch, sink, cancellation));
  return WriteImageArchive(blobs, flat, reference, request.format, request.path, sink,
                           cancellation);
}

}  // namespace

std::string PullRequest::Key() const {
  return fmt::format("{}\n{}\n{}\n{}\n{}", reference, name, auth_file.native(), plain_http,
                     size_bytes);
}

absl::StatusOr<ImageRecord> PullImage(ImageStore& store, const PullRequest& request,
                                      const ProgressSink& sink, const Cancellation& cancellation) {
  FetchRequest fetch;
  ASSIGN_OR_RETURN(fetch.reference, ParseImageReference(request.reference));
  Placement place;
  place.source = "pull:" + fetch.reference->Full();
  place.size_bytes = request.size_bytes;
  place.mode = NameMode::kMove;
  const std::string wanted = request.name.empty() ? fetch.reference->Familiar() : request.name;
  ASSIGN_OR_RETURN(place.name, ImageName(wanted));
  if (!request.name.empty()) {
    ASSIGN_OR_RETURN(place.mode, ModeFor(store, place.name, place.source));
  }
  const ImageStore::Transfer transfer(store);
  ASSIGN_OR_RETURN(const StagingDir scratch, store.Scratch());
  fetch.auth_file = request.auth_file;
  fetch.plain_http = request.plain_http;
  fetch.scratch = scratch.path();
  fetch.patience = request.patience;
  ASSIGN_OR_RETURN(const OciImage image, FetchImage(fetch, store.blobs(), sink, cancellation));
  return Place(store, image, place, sink, cancellation);
}

absl::StatusOr<ImageRecord> LoadImage(ImageStore& store, const LoadRequest& request,
                                      const ProgressSink& sink, const Cancellation& cancellation) {
  std::vector<std::string> items;
  {
    ASSIGN_OR_RETURN(const StagingDir scratch, store.Scratch());
    ASSIGN_OR_RETURN(items, ArchiveImages(request.path, scratch.path(), cancellation));
  }
  if (items.empty()) return InvalidArgument("{}: it holds no image", request.path.native());
  if (!request.name.empty() && items.size() > 1) {
    return WithHint(InvalidArgument("{}: it holds {} images, and one name was given",
                                    request.path.native(), items.size()),
                    "leave out --name");
  }
  const ImageStore::Transfer transfer(store);
  std::vector<ImageRecord> loaded;
  for (const std::string& item : items) {
    ASSIGN_OR_RETURN(const Placement place, PlacementFor(store, request, item));
    ASSIGN_OR_RETURN(const OciImage image,
                     FetchArchive(store, request.path, item, sink, cancellation));
    ASSIGN_OR_RETURN(ImageRecord one, Place(store, image, place, sink, cancellation));
    loaded.push_back(std::move(one));
  }
  return loaded.front();
}

absl::StatusOr<ImageRecord> TakeBuiltImage(ImageStore& store, const std::string& name,
                                           const std::string& source,
                                           const std::filesystem::path& archive,
                                           uint64_t size_bytes, const ProgressSink& sink,
                                           const Cancellation& cancellation) {
  const ImageStore::Transfer transfer(store);
  ASSIGN_OR_RETURN(const OciImage image, FetchArchive(store, archive, "", sink, cancellation));
  return Place(store, image, {name, source, size_bytes, NameMode::kNew}, sink, cancellation);
}

absl::StatusOr<SavedImage> SaveImage(ImageStore& store, const SaveRequest& request,
                                     const ProgressSink& sink, const Cancellation& cancellation) {
  if (!request.path.is_absolute()) {
    return InvalidArgument("'{}' is not an absolute path", request.path.native());
  }
  ASSIGN_OR_RETURN(const ImageRecord image, store.Get(request.name));
  const std::string called =
      image.name.empty() ? "image-" + DigestHex(image.id).substr(0, 12) : image.name;
  ASSIGN_OR_RETURN(const ImageReference reference, ParseImageReference(called));
  const ImageStore::Transfer transfer(store);  // its layers stay while they are read
  ASSIGN_OR_RETURN(const StagingDir scratch, store.Scratch());
  if (image.layers.empty()) {
    RETURN_IF_ERROR(WriteFlat(image, scratch.path(), reference, request, sink, cancellation));
  } else {
    ASSIGN_OR_RETURN(const OciImage layered, ReadOciImage(store.blobs(), image.manifest.digest));
    RETURN_IF_ERROR(WriteImageArchive(store.blobs(), layered, reference, request.format,
                                      request.path, sink, cancellation));
  }
  std::error_code error;
  const uint64_t size = std::filesystem::file_size(request.path, error);
  if (error) return ErrnoStatus(error.value(), request.path.native());
  return SavedImage{request.path, size};
}

}  // namespace ember::images
