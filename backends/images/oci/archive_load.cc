#include "backends/images/oci/archive_load.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <set>
#include <utility>

#include "absl/strings/str_join.h"
#include "backends/images/disk_room.h"
#include "backends/images/host_architecture.h"
#include "backends/images/oci/docker_manifest.h"
#include "backends/images/oci/manifest.h"
#include "backends/images/oci/unpacked_archive.h"
#include "base/file.h"
#include "base/status.h"
#include "base/status_macros.h"

namespace ember::images {
namespace {

constexpr char kIndexFile[] = "index.json";
constexpr char kLayoutFile[] = "oci-layout";
constexpr char kDockerFile[] = "manifest.json";
constexpr std::string_view kBlobPrefix = "blobs/sha256/";

// Docker writes both forms since version 25; the OCI one says more.
bool IsOci(const UnpackedArchive& archive) {
  return archive.Find(kLayoutFile) != nullptr && archive.Find(kIndexFile) != nullptr;
}

absl::Status NotAnArchive(const std::filesystem::path& archive) {
  return WithHint(
      InvalidArgument("{} is neither an OCI archive nor a docker-archive: it has no '{}' and no "
                      "'{}'",
                      archive.native(), kIndexFile, kDockerFile),
      "use 'ember image import' for the tar archive of a root filesystem");
}

// The name as a reference, where it is one: "latest" alone, as some tools write, says nothing.
std::string NameOf(std::string_view text) {
  const bool whole = text.find_first_of(":/") != text.npos;
  const auto reference = ParseImageReference(text);
  return whole && reference.ok() ? reference->Familiar() : "";
}

// Which of an archive's images is meant.
absl::StatusOr<size_t> Choose(const std::vector<std::string>& names, const std::string& wanted,
                              const std::filesystem::path& archive) {
  if (names.empty()) return InvalidArgument("{} holds no image", archive.native());
  if (wanted.empty()) {
    if (names.size() == 1) return 0;
    return WithHint(InvalidArgument("{} holds {} images: {}", archive.native(), names.size(),
                                    absl::StrJoin(names, ", ")),
                    "say which one is meant");
  }
  for (size_t i = 0; i < names.size(); ++i) {
    if (names[i] == wanted) return i;
  }
  return NotFound("{} holds no image '{}', only {}", archive.native(), wanted,
                  absl::StrJoin(names, ", "));
}

absl::StatusOr<std::vector<IndexItem>> OciItems(const UnpackedArchive& archive) {
  ASSIGN_OR_RETURN(const std::string index, archive.ReadDocument(kIndexFile));
  return ParseIndex(index, kIndexFile);
}

absl::StatusOr<std::vector<DockerArchiveItem>> DockerItems(const UnpackedArchive& archive) {
  ASSIGN_OR_RETURN(const std::string manifest, archive.ReadDocument(kDockerFile));
  return ParseDockerManifest(manifest, kDockerFile);
}

absl::StatusOr<std::vector<std::string>> Names(const UnpackedArchive& archive,
                                               const std::filesystem::path& path) {
  std::vector<std::string> names;
  if (IsOci(archive)) {
    ASSIGN_OR_RETURN(const std::vector<IndexItem> items, OciItems(archive));
    // Items of one name are one image for several platforms.
    for (const IndexItem& item : items) {
      std::string name = NameOf(item.name);
      if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
    }
    return names;
  }
  if (archive.Find(kDockerFile) == nullptr) return NotAnArchive(path);
  ASSIGN_OR_RETURN(const std::vector<DockerArchiveItem> items, DockerItems(archive));
  for (const DockerArchiveItem& item : items) {
    names.push_back(item.names.empty() ? "" : NameOf(item.names.front()));
  }
  return names;
}

// The blobs of an archive, under the digests that they really have, in a store within the scratch
// folder: from there they are read as from any store.
class Loader {
 public:
  Loader(const FetchRequest& request, UnpackedArchive archive, BlobStore scratch)
      : request_(request), archive_(std::move(archive)), scratch_(std::move(scratch)) {}

  absl::StatusOr<OciImage> Load() {
    ASSIGN_OR_RETURN(const std::vector<std::string> names, Names(archive_, request_.archive));
    ASSIGN_OR_RETURN(const size_t chosen, Choose(names, request_.archive_item, request_.archive));
    ASSIGN_OR_RETURN(const std::string manifest,
                     IsOci(archive_) ? TakeOci(names[chosen]) : TakeDocker(chosen));
    auto image = ReadOciImage(scratch_, manifest);
    return image.ok() ? image : Annotate(image.status(), request_.archive.native());
  }

 private:
  absl::StatusOr<std::string> TakeOci(const std::string& name) {
    ASSIGN_OR_RETURN(std::vector<IndexItem> items, OciItems(archive_));
    std::erase_if(items, [&name](const IndexItem& item) { return NameOf(item.name) != name; });
    for (const auto& [path, file] : archive_.files()) {
      if (!path.starts_with(kBlobPrefix)) continue;
      if (file.digest != "sha256:" + path.substr(kBlobPrefix.size())) {
        return DataLoss("{} is damaged: its '{}' has the digest {}", request_.archive.native(),
                        path, file.digest);
      }
      RETURN_IF_ERROR(Take(file));
    }
    if (items.size() == 1) return items[0].manifest.digest;
    ASSIGN_OR_RETURN(const IndexItem item,
                     PickItem(items, ThisArchitecture().debian, request_.archive.native()));
    return item.manifest.digest;
  }

  // Such an archive has no manifest of its own, so one is made: the same archive, the same digest.
  absl::StatusOr<std::string> TakeDocker(size_t chosen) {
    ASSIGN_OR_RETURN(const std::vector<DockerArchiveItem> items, DockerItems(archive_));
    Manifest manifest;
    ASSIGN_OR_RETURN(manifest.config, TakeNamed(items[chosen].config, kOciConfig));
    for (const std::string& path : items[chosen].layers) {
      ASSIGN_OR_RETURN(Descriptor layer, TakeNamed(path, kOciLayerTar));
      manifest.layers.push_back(std::move(layer));
    }
    return scratch_.PutBytes(ManifestToJson(manifest));
  }

  absl::StatusOr<Descriptor> TakeNamed(const std::string& path, std::string_view media_type) {
    const UnpackedArchive::File* file = archive_.Find(path);
    if (file == nullptr) {
      return InvalidArgument("{} is incomplete: it has no '{}'", request_.archive.native(), path);
    }
    RETURN_IF_ERROR(Take(*file));
    return Descriptor{std::string(media_type), file->digest, file->size_bytes};
  }

  // A layer may be there under several names.
  absl::Status Take(const UnpackedArchive::File& file) {
    if (!taken_.insert(file.digest).second) return absl::OkStatus();
    const std::filesystem::path target = scratch_.Path(file.digest);
    if (rename(file.path.c_str(), target.c_str()) == 0) return absl::OkStatus();
    return ErrnoStatus(errno, target.native());
  }

  const FetchRequest& request_;
  const UnpackedArchive archive_;
  const BlobStore scratch_;
  std::set<std::string> taken_;
};

absl::Status MoveBlobs(const OciImage& image, const BlobStore& from, const BlobStore& to,
                       const ProgressSink& sink, const Cancellation& cancellation) {
  std::vector<std::string> digests;
  for (const OciLayer& layer : image.layers) digests.push_back(layer.digest);
  digests.push_back(image.config_digest);
  digests.push_back(image.manifest_digest);
  for (const std::string& digest : digests) {
    if (to.Has(digest)) continue;
    Report(sink, {"loading", "blob", 0, 0, ShortDigest(digest)});
    RETURN_IF_ERROR(to.Put(from.Path(digest), digest, cancellation));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<OciImage> LoadImage(const FetchRequest& request, const BlobStore& store,
                                   const ProgressSink& sink, const Cancellation& cancellation) {
  std::error_code error;
  const uint64_t size = std::filesystem::file_size(request.archive, error);
  if (error) return ErrnoStatus(error.value(), request.archive.native());
  RETURN_IF_ERROR(CheckDiskRoom(request.scratch, size, "loading " + request.archive.native()));
  ASSIGN_OR_RETURN(BlobStore scratch, BlobStore::Open(request.scratch / "loaded"));
  ASSIGN_OR_RETURN(UnpackedArchive archive,
                   UnpackedArchive::Unpack(request.archive, request.scratch / "unpacked", {}, sink,
                                           cancellation));
  ASSIGN_OR_RETURN(OciImage image, Loader(request, std::move(archive), scratch).Load());
  RETURN_IF_ERROR(MoveBlobs(image, scratch, store, sink, cancellation));
  return image;
}

absl::StatusOr<std::vector<std::string>> ArchiveImages(const std::filesystem::path& archive,
                                                       const std::filesystem::path& scratch,
                                                       const Cancellation& cancellation) {
  const auto is_document = [](std::string_view path) {
    return path == kIndexFile || path == kLayoutFile || path == kDockerFile;
  };
  ASSIGN_OR_RETURN(
      const UnpackedArchive unpacked,
      UnpackedArchive::Unpack(archive, scratch / "names", is_document, {}, cancellation));
  return Names(unpacked, archive);
}

}  // namespace ember::images
