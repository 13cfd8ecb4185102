#include "backends/images/image_store.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "backends/images/disk_room.h"
#include "backends/images/file_digest.h"
#include "backends/images/image_name.h"
#include "backends/images/legacy_images.h"
#include "base/awaited.h"
#include "base/fault_point.h"
#include "base/file.h"
#include "base/status.h"
#include "base/status_macros.h"

namespace ember::images {
namespace {

constexpr char kRootfsFile[] = "rootfs.ext4";
// Fewer digits of an id could be a name that somebody mistyped.
constexpr size_t kLeastIdDigits = 12;

absl::Status NoSuchImage(std::string_view name) {
  return WithHint(
      NotFound("image '{}' does not exist", name),
      fmt::format(
          "run 'ember image list' to see what there is, 'ember image pull {0}' to fetch it, "
          "'ember image build {0} --from busybox' or 'ember image build {0} --from "
          "debian:bookworm' to build it, or 'ember image import {0} TAR' to import it",
          name));
}

absl::Status TakenName(std::string_view name) {
  return WithHint(AlreadyExists("image '{}' exists", name),
                  fmt::format("choose another name, or run 'ember image delete {}' first", name));
}

// The digits of an id that was typed; empty when it is none.
std::string_view IdDigits(std::string_view text) {
  const bool prefixed = text.starts_with("sha256:");
  if (prefixed) text.remove_prefix(7);
  const bool all_hex = std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
  });
  const bool enough = text.size() >= (prefixed ? 1 : kLeastIdDigits) && text.size() <= 64;
  return all_hex && enough ? text : std::string_view();
}

// What the root filesystem will take, as far as it is known before it is made.
uint64_t RoomFor(const RootfsSource& source) {
  return source.unpacked_size.value_or(source.bytes_to_read);
}

absl::StatusOr<Done> DoneOr(absl::Status status) {
  if (!status.ok()) return status;
  return Done{};
}

}  // namespace

bool IsNameOf(const ImageRecord& image, std::string_view text) {
  const auto name = ImageName(text);
  return name.ok() && std::find(image.names.begin(), image.names.end(), *name) != image.names.end();
}

ImageStore::ImageStore(const std::filesystem::path& dir, BlobStore blobs)
    : index_(dir), blobs_(std::move(blobs)), sequence_("images", SequenceThread::kBorrowed) {}

absl::StatusOr<std::unique_ptr<ImageStore>> ImageStore::Open(std::filesystem::path dir) {
  RETURN_IF_ERROR(PrepareStoreDir(dir));
  ASSIGN_OR_RETURN(BlobStore blobs, BlobStore::Open(dir));
  std::unique_ptr<ImageStore> store(new ImageStore(dir, std::move(blobs)));
  RETURN_IF_ERROR(store->index_.Prepare());
  RETURN_IF_ERROR(AdoptLegacyImages(store->index_));
  return store;
}

template <typename T>
absl::StatusOr<T> ImageStore::InTurn(absl::AnyInvocable<absl::StatusOr<T>()> change) {
  Awaited<T> answer;
  sequence_.Post(
      [change = std::move(change), reply = answer.reply()]() mutable { reply(change()); });
  return answer.Wait({}, "the image store");
}

absl::StatusOr<ImageRecord> ImageStore::Get(std::string_view name) const {
  if (const auto known = ImageName(name); known.ok()) {
    auto image = index_.ByName(*known);
    if (!absl::IsNotFound(image.status())) return image;
  }
  if (const std::string_view digits = IdDigits(name); !digits.empty()) {
    auto image = index_.ById(digits);
    if (!absl::IsNotFound(image.status())) return image;
  }
  RETURN_IF_ERROR(CheckLegacyImage(index_, name));
  return NoSuchImage(name);
}

absl::StatusOr<std::string> ImageStore::CheckFree(std::string_view name) const {
  ASSIGN_OR_RETURN(std::string known, ImageName(name));
  const absl::Status there = index_.ByName(known).status();
  if (there.ok()) return TakenName(known);
  if (!absl::IsNotFound(there)) return there;
  return known;
}

absl::StatusOr<ImageRecord> ImageStore::Make(const std::string& name, const NewImage& image,
                                             const RootfsSource& source,
                                             const RootfsOptions& options, NameMode mode,
                                             const ProgressSink& sink,
                                             const Cancellation& cancellation) {
  RETURN_IF_ERROR(CheckDiskRoom(dir(), RoomFor(source), fmt::format("image '{}'", name)));
  ASSIGN_OR_RETURN(const StagingDir scratch, Scratch());
  const std::filesystem::path rootfs = scratch.path() / kRootfsFile;
  ImageRecord record;
  ASSIGN_OR_RETURN(record.size_bytes, WriteRootfs(source, rootfs, options, sink, cancellation));
  ASSIGN_OR_RETURN(record.digest, DigestFile(rootfs, sink, cancellation));
  // Clones share these bytes: nobody writes them any more.
  if (chmod(rootfs.c_str(), 0444) != 0) return ErrnoStatus(errno, rootfs.native());
  record.source = image.source;
  record.config = image.config;
  record.layers = image.layers;
  record.manifest = image.manifest;
  record.created_at = absl::Now();
  record.id = ImageId(record.digest, record.config);
  RETURN_IF_ERROR(cancellation.Check(fmt::format("image '{}'", name)));
  return InTurn<ImageRecord>([this, &name, &record, &rootfs, mode] {
    return Commit(name, std::move(record), rootfs, mode);
  });
}

// The root filesystem, the record, the name: what a crash leaves has no name, and goes at the next
// start.
absl::StatusOr<ImageRecord> ImageStore::Commit(const std::string& name, ImageRecord image,
                                               const std::filesystem::path& rootfs, NameMode mode) {
  if (mode == NameMode::kNew && index_.ByName(name).ok()) return TakenName(name);
  RETURN_IF_ERROR(FaultPoint("image-add/link"));
  const std::filesystem::path target = index_.RootfsPath(image.digest);
  const bool fresh = link(rootfs.c_str(), target.c_str()) == 0;
  if (!fresh && errno != EEXIST) return ErrnoStatus(errno, target.native());
  RETURN_IF_ERROR(SyncDirectory(target.parent_path()));
  CrashPoint("image-add/linked");
  const std::string_view digits = std::string_view(image.id).substr(7);
  auto same = index_.ById(digits);
  if (!same.ok()) {
    if (absl::Status added = index_.AddRecord(image); !added.ok()) {
      // A root filesystem that others had before stays.
      if (fresh) unlink(target.c_str());
      return added;
    }
  }
  CrashPoint("image-add/recorded");
  if (absl::Status named = GiveName(name, image.id, mode); !named.ok()) {
    if (!same.ok()) RemoveImage(image).IgnoreError();  // the failure is the one to tell
    return named;
  }
  CrashPoint("image-add/named");
  return index_.ByName(name);
}

absl::Status ImageStore::GiveName(const std::string& name, const std::string& id, NameMode mode) {
  RETURN_IF_ERROR(FaultPoint("image-tag/name"));
  if (mode == NameMode::kMove) return index_.MoveName(name, id);
  const absl::Status named = index_.AddName(name, id);
  return absl::IsAlreadyExists(named) ? TakenName(name) : named;
}

absl::StatusOr<ImageRecord> ImageStore::Tag(std::string_view name, std::string_view new_name,
                                            NameMode mode) {
  ASSIGN_OR_RETURN(const std::string known, ImageName(new_name));
  return InTurn<ImageRecord>([this, name, &known, mode]() -> absl::StatusOr<ImageRecord> {
    ASSIGN_OR_RETURN(const ImageRecord image, Get(name));
    const auto holder = index_.ByName(known);
    const bool has_it = holder.ok() && holder->id == image.id;
    if (holder.ok() && !has_it && mode == NameMode::kNew) {
      return WithHint(AlreadyExists("another image is called '{}'", known),
                      "choose another name, or take it from that image with --move");
    }
    if (!has_it) RETURN_IF_ERROR(GiveName(known, image.id, mode));
    CrashPoint("image-tag/named");
    return index_.ByName(known);
  });
}

absl::Status ImageStore::Delete(std::string_view name) {
  return InTurn<Done>([this, name]() -> absl::StatusOr<Done> {
           ASSIGN_OR_RETURN(const ImageRecord image, Get(name));
           RETURN_IF_ERROR(FaultPoint("image-delete/remove"));
           if (IsNameOf(image, name) && image.names.size() > 1) {
             return DoneOr(index_.RemoveName(image.name));
           }
           return DoneOr(RemoveImage(image));
         })
      .status();
}

absl::Status ImageStore::RemoveImage(const ImageRecord& image) {
  RETURN_IF_ERROR(index_.RemoveRecord(image));
  CrashPoint("image-delete/record-removed");
  ASSIGN_OR_RETURN(const std::vector<ImageRecord> others, index_.Records());
  const bool shared = std::any_of(others.begin(), others.end(), [&image](const auto& other) {
    return other.digest == image.digest;
  });
  if (!shared) {
    const std::filesystem::path rootfs = index_.RootfsPath(image.digest);
    RETURN_IF_ERROR(RemoveLegacyLinks(index_, rootfs));
    if (unlink(rootfs.c_str()) != 0 && errno != ENOENT) return ErrnoStatus(errno, rootfs.native());
  }
  CrashPoint("image-delete/rootfs-removed");
  sequence_.AssertCurrent();
  if (transfers_ > 0) return absl::OkStatus();
  std::set<std::string> mine = {image.manifest.digest, image.manifest.config_digest};
  for (const ImageLayer& layer : image.layers) mine.insert(layer.digest);
  ASSIGN_OR_RETURN(const std::vector<Blob> unused, UnusedBlobs({}));
  for (const Blob& blob : unused) {
    if (mine.contains(blob.digest)) RETURN_IF_ERROR(blobs_.Remove(blob.digest));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Blob>> ImageStore::UnusedBlobs(
    const std::set<std::string>& without) const {
  ASSIGN_OR_RETURN(const std::vector<ImageRecord> images, index_.Records());
  std::set<std::string> used;
  for (const ImageRecord& image : images) {
    if (without.contains(image.id)) continue;
    used.insert(image.manifest.digest);
    used.insert(image.manifest.config_digest);
    for (const ImageLayer& layer : image.layers) used.insert(layer.digest);
  }
  ASSIGN_OR_RETURN(std::vector<Blob> blobs, blobs_.List());
  std::erase_if(blobs, [&used](const Blob& blob) { return used.contains(blob.digest); });
  return blobs;
}

absl::StatusOr<Pruned> ImageStore::Prune(const std::set<std::string>& ids, bool dry_run) {
  return InTurn<Pruned>([this, &ids, dry_run]() -> absl::StatusOr<Pruned> {
    sequence_.AssertCurrent();
    Pruned pruned;
    ASSIGN_OR_RETURN(const std::vector<ImageRecord> images, index_.Records());
    std::vector<Blob> blobs;
    if (transfers_ == 0) {
      ASSIGN_OR_RETURN(blobs, UnusedBlobs(ids));
    }
    std::set<std::string> staying;  // root filesystems, and those counted already
    for (const ImageRecord& image : images) {
      if (!ids.contains(image.id)) staying.insert(image.digest);
    }
    for (const ImageRecord& image : images) {
      if (!ids.contains(image.id)) continue;
      if (staying.insert(image.digest).second) pruned.freed_bytes += image.disk_bytes;
      pruned.images.push_back(image.names.empty() ? image.id : image.name);
      if (dry_run) continue;
      RETURN_IF_ERROR(FaultPoint("image-prune/remove"));
      RETURN_IF_ERROR(RemoveImage(image));
      CrashPoint("image-prune/removed");
    }
    for (const Blob& blob : blobs) {
      pruned.freed_bytes += blob.size_bytes;
      pruned.blobs.push_back(blob.digest);
      if (!dry_run) RETURN_IF_ERROR(blobs_.Remove(blob.digest));
    }
    return pruned;
  });
}

ImageStore::Transfer::Transfer(ImageStore& store) : store_(store) {
  store_
      .InTurn<Done>([this]() -> absl::StatusOr<Done> {
        store_.sequence_.AssertCurrent();
        ++store_.transfers_;
        return Done{};
      })
      .IgnoreError();  // the sequence lives as long as the store
}

ImageStore::Transfer::~Transfer() {
  store_
      .InTurn<Done>([this]() -> absl::StatusOr<Done> {
        store_.sequence_.AssertCurrent();
        --store_.transfers_;
        return Done{};
      })
      .IgnoreError();
}

}  // namespace ember::images
