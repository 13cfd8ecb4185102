#include "backends/images/legacy_images.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "backends/images/record_file.h"
#include "backends/images/store_name.h"
#include "base/file.h"
#include "base/status.h"
#include "base/status_macros.h"

namespace ember::images {
namespace {

constexpr char kRootfsFile[] = "rootfs.ext4";
constexpr char kRecordFile[] = "image.json";

// What could be an image's folder: also one of the store's own, whose name an image may have had.
std::vector<std::filesystem::path> Folders(const std::filesystem::path& dir) {
  std::vector<std::filesystem::path> folders;
  // A folder that can't be read is told by whoever needs it.
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(dir, ignored)) {
    if (CheckStoreName("image", entry.path().filename().native()).ok()) {
      folders.push_back(entry.path());
    }
  }
  return folders;
}

// Makes `path` a second name of `target`, in the place of what is there.
absl::Status ReplaceByLink(const std::filesystem::path& target, const std::filesystem::path& path) {
  std::filesystem::path fresh = path;
  fresh += ".new";
  if (unlink(fresh.c_str()) != 0 && errno != ENOENT) return ErrnoStatus(errno, fresh.native());
  if (link(target.c_str(), fresh.c_str()) != 0 || rename(fresh.c_str(), path.c_str()) != 0) {
    return ErrnoStatus(errno, path.native());
  }
  return SyncDirectory(path.parent_path());
}

absl::Status ShareRootfs(const std::filesystem::path& old_path,
                         const std::filesystem::path& rootfs) {
  if (link(old_path.c_str(), rootfs.c_str()) == 0) return SyncDirectory(rootfs.parent_path());
  if (errno != EEXIST) return ErrnoStatus(errno, rootfs.native());
  return ReplaceByLink(rootfs, old_path);
}

absl::Status Adopt(ImageIndex& index, const std::filesystem::path& folder) {
  const auto record = ReadRecordFile(folder / kRecordFile);
  if (!record.ok()) return absl::OkStatus();
  ImageRecord image;
  image.source = TextField(*record, "source");
  image.digest = TextField(*record, "digest");
  image.size_bytes = static_cast<uint64_t>(NumberField(*record, "size_bytes"));
  image.created_at = TimeField(*record, "created_at");
  if (DigestHex(image.digest).empty()) return absl::OkStatus();
  image.id = ImageId(image.digest, image.config);
  RETURN_IF_ERROR(ShareRootfs(folder / kRootfsFile, index.RootfsPath(image.digest)));
  RETURN_IF_ERROR(index.AddRecord(image));
  absl::Status named = index.AddName(folder.filename().native(), image.id);
  // Brought over before, up to this point.
  if (!named.ok() && !absl::IsAlreadyExists(named)) return named;
  const std::filesystem::path done = folder / kRecordFile;
  if (unlink(done.c_str()) != 0) return ErrnoStatus(errno, done.native());
  return SyncDirectory(folder);
}

}  // namespace

absl::Status AdoptLegacyImages(ImageIndex& index) {
  for (const std::filesystem::path& folder : Folders(index.dir())) {
    if (access((folder / kRecordFile).c_str(), F_OK) != 0) continue;
    RETURN_IF_ERROR(Adopt(index, folder));
  }
  return absl::OkStatus();
}

absl::Status CheckLegacyImage(const ImageIndex& index, std::string_view name) {
  if (!CheckStoreName("image", name).ok()) return absl::OkStatus();
  const std::filesystem::path record = index.dir() / name / kRecordFile;
  if (access(record.c_str(), F_OK) != 0) return absl::OkStatus();
  RETURN_IF_ERROR(ReadRecordFile(record).status());
  return DataLoss("{} is damaged: it has no digest", record.native());
}

absl::Status RemoveLegacyLinks(const ImageIndex& index, const std::filesystem::path& rootfs) {
  struct stat wanted {};
  if (stat(rootfs.c_str(), &wanted) != 0) return absl::OkStatus();
  for (const std::filesystem::path& folder : Folders(index.dir())) {
    const std::filesystem::path file = folder / kRootfsFile;
    struct stat about {};
    if (stat(file.c_str(), &about) != 0) continue;
    if (about.st_ino != wanted.st_ino || about.st_dev != wanted.st_dev) continue;
    if (unlink(file.c_str()) != 0) return ErrnoStatus(errno, file.native());
    // One of the store's own folders stays: it is not empty.
    rmdir(folder.c_str());
  }
  return absl::OkStatus();
}

}  // namespace ember::images
