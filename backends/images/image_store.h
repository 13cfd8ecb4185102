#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "backends/images/build_recipe.h"
#include "backends/images/progress.h"
#include "backends/images/rootfs.h"
#include "base/cancellation.h"

namespace ember::images {

// A root filesystem that VMs' disks are cloned from.
struct ImageRecord {
  std::string name;
  std::string source;            // "busybox", "debian:bookworm", "tar:rootfs.tar", "dir:rootfs"
  std::string digest;            // "sha256:…" of the file `rootfs`
  uint64_t size_bytes = 0;       // of the filesystem
  uint64_t disk_bytes = 0;       // allocated on the host now
  std::filesystem::path rootfs;  // raw ext4; never changed once it is there
  absl::Time created_at;

  friend bool operator==(const ImageRecord&, const ImageRecord&) = default;
};

// The images of one state directory: <dir>/<name>/{rootfs.ext4,image.json}. An image appears when
// it is complete and on disk. Of two that are made under one name at once, the one that is complete
// first wins and the other answers AlreadyExists. Thread-safe: it holds no state but the folder,
// which it changes by renames; one process at a time owns the folder. All calls that make an image
// block within `cancellation`, report to the sink and leave nothing behind when they fail.
class ImageStore {
 public:
  // Makes `dir` if needed and removes what interrupted work has left in it.
  static absl::StatusOr<std::unique_ptr<ImageStore>> Open(std::filesystem::path dir);

  // Makes an image from a tar archive (plain, gzip, xz, zstd, bzip2, lz4) or a folder of the host.
  // `size_bytes` of the filesystem; 0: what the content needs and about a tenth more.
  // InvalidArgument when it is no archive, is damaged, holds an impossible path or does not fit.
  absl::StatusOr<ImageRecord> Import(std::string_view name, const std::filesystem::path& tar_or_dir,
                                     uint64_t size_bytes, const ProgressSink& sink,
                                     const Cancellation& cancellation);

  // Makes an image from packages; see build_recipe.h.
  absl::StatusOr<ImageRecord> Build(std::string_view name, const BuildRecipe& recipe,
                                    const ProgressSink& sink, const Cancellation& cancellation);

  // All complete images, by name.
  absl::StatusOr<std::vector<ImageRecord>> List() const;

  // NotFound says how to build, import and list.
  absl::StatusOr<ImageRecord> Get(std::string_view name) const;

  // Removes an image. Whether a disk still depends on it is for the caller to know.
  absl::Status Delete(std::string_view name);

 private:
  explicit ImageStore(std::filesystem::path dir) : dir_(std::move(dir)) {}

  absl::Status CheckFree(std::string_view name) const;
  absl::StatusOr<ImageRecord> Read(std::string_view name) const;
  absl::StatusOr<ImageRecord> Make(std::string_view name, const std::string& source_name,
                                   const RootfsSource& source, uint64_t size_bytes,
                                   const ProgressSink& sink, const Cancellation& cancellation);

  const std::filesystem::path dir_;
};

}  // namespace ember::images
