#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backends/images/image_index.h"
#include "backends/images/image_record.h"
#include "backends/images/oci/blob_store.h"
#include "backends/images/progress.h"
#include "backends/images/rootfs.h"
#include "backends/images/staging_dir.h"
#include "base/cancellation.h"
#include "base/sequence.h"

namespace ember::images {

// What an image is beside its root filesystem.
struct NewImage {
  std::string source;
  ImageConfig config = {};
  std::vector<ImageLayer> layers = {};
  ImageManifest manifest = {};
};

// What becomes of a name that another image has: an error, or it moves.
enum class NameMode { kNew, kMove };

// Whether `text`, by which ImageStore::Get answered `image`, is one of its names and not its id.
bool IsNameOf(const ImageRecord& image, std::string_view text);

// What a prune has removed, or would.
struct Pruned {
  std::vector<std::string> images;  // names; ids where there is none
  std::vector<std::string> blobs;   // digests
  uint64_t freed_bytes = 0;

  friend bool operator==(const Pruned&, const Pruned&) = default;
};

// The images of one state directory, by content:
//   <dir>/{records,names,rootfs}/   image_index.h
//   <dir>/blobs/sha256/<hex>        layers and documents of images that were pulled or loaded
//   <dir>/.staging-<uuid>/          work under way
//   <dir>/<name>/rootfs.ext4        old paths (legacy_images.h)
// An image appears under its name in one step, when it is complete and on disk; killed work leaves
// nothing but blobs that the next pull goes on with. Images with the same root filesystem share
// it, and with the same config too they are one image with several names. Whether a VM still needs
// an image is for the caller to know.
//
// Thread-safe: reading needs no order, changes go through one sequence. One process at a time owns
// the folder. Changes wait for the disk; calls with a cancellation block within it.
class ImageStore {
 public:
  // Makes `dir` if needed, removes what interrupted work has left in it, and brings images of
  // earlier versions over.
  static absl::StatusOr<std::unique_ptr<ImageStore>> Open(std::filesystem::path dir);

  // All images: once for each name, and for each image without one; by name.
  absl::StatusOr<std::vector<ImageRecord>> List() const { return index_.List(); }
  // By name, or by id: "sha256:…", or at least 12 of its digits. NotFound says how to build, pull
  // and list.
  absl::StatusOr<ImageRecord> Get(std::string_view name) const;

  // The name in the store for what was typed. AlreadyExists when it is taken.
  absl::StatusOr<std::string> CheckFree(std::string_view name) const;

  // Writes a root filesystem and adds the image; `name` is as CheckFree or ImageName answered. Of
  // two that are made under one new name at once, the one that is complete first wins and the other
  // answers AlreadyExists. ResourceExhausted before anything is written when the disk has too
  // little room for what is known of the size.
  absl::StatusOr<ImageRecord> Make(const std::string& name, const NewImage& image,
                                   const RootfsSource& source, const RootfsOptions& options,
                                   NameMode mode, const ProgressSink& sink,
                                   const Cancellation& cancellation);

  // One more name for an image. AlreadyExists when another image has it, unless it moves; an image
  // that loses its last name so stays without one, until a prune.
  absl::StatusOr<ImageRecord> Tag(std::string_view name, std::string_view new_name, NameMode mode);

  // Removes a name, and with the last one, or given an id, the image with what only it needed.
  absl::Status Delete(std::string_view name);

  // Removes these images (ids) and all blobs that no image refers to; the latter not while a
  // transfer is under way.
  absl::StatusOr<Pruned> Prune(const std::set<std::string>& ids, bool dry_run);

  // While one lives, blobs that no image refers to stay: somebody is about to make one of them.
  class Transfer {
   public:
    explicit Transfer(ImageStore& store);
    Transfer(const Transfer&) = delete;
    Transfer& operator=(const Transfer&) = delete;
    ~Transfer();

   private:
    ImageStore& store_;
  };

  // A folder for work under way; removed with what is in it.
  absl::StatusOr<StagingDir> Scratch() const { return StagingDir::Create(index_.dir()); }
  const BlobStore& blobs() const { return blobs_; }
  const std::filesystem::path& dir() const { return index_.dir(); }

 private:
  ImageStore(const std::filesystem::path& dir, BlobStore blobs);

  // Runs a change after those before it, and waits for it.
  template <typename T>
  absl::StatusOr<T> InTurn(absl::AnyInvocable<absl::StatusOr<T>()> change);

  absl::StatusOr<ImageRecord> Commit(const std::string& name, ImageRecord image,
                                     const std::filesystem::path& rootfs, NameMode mode);
  absl::Status GiveName(const std::string& name, const std::string& id, NameMode mode);
  absl::Status RemoveImage(const ImageRecord& image);
  // The blobs that no image refers to, but for those of images with these ids.
  absl::StatusOr<std::vector<Blob>> UnusedBlobs(const std::set<std::string>& without) const;

  ImageIndex index_;
  const BlobStore blobs_;
  int transfers_ ABSL_GUARDED_BY(sequence_) = 0;
  Sequence sequence_;
};

}  // namespace ember::images
