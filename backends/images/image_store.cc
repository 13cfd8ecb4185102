#include "backends/images/image_store.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "backends/images/archive_source.h"
#include "backends/images/busybox_rootfs.h"
#include "backends/images/debian_rootfs.h"
#include "backends/images/directory_source.h"
#include "backends/images/file_digest.h"
#include "backends/images/record_file.h"
#include "backends/images/staging_dir.h"
#include "backends/images/store_name.h"
#include "base/status.h"
#include "base/status_macros.h"

namespace ember::images {
namespace {

constexpr char kRootfsFile[] = "rootfs.ext4";
constexpr char kRecordFile[] = "image.json";
constexpr std::string_view kDebianPrefix = "debian:";

absl::Status NoSuchImage(std::string_view name) {
  return WithHint(NotFound("image '{}' does not exist", name),
                  fmt::format("run 'ember image list' to see what there is, 'ember image build {0} "
                              "--from busybox' or 'ember image build {0} --from debian:bookworm' "
                              "to build it, or 'ember image import {0} TAR' to import it",
                              name));
}

absl::Status TakenName(std::string_view name) {
  return WithHint(AlreadyExists("image '{}' exists", name),
                  fmt::format("choose another name, or run 'ember image delete {}' first", name));
}

absl::StatusOr<RootfsSource> ArchiveRootfs(const std::filesystem::path& path) {
  RootfsSource source;
  source.open = [path] { return OpenArchiveSource(path); };
  source.unpacked_size = UnpackedSize(path);
  std::error_code error;
  source.bytes_to_read = std::filesystem::file_size(path, error);
  if (error) return ErrnoStatus(error.value(), path.native());
  return source;
}

RootfsSource DirectoryRootfs(const std::filesystem::path& path) {
  RootfsSource source;
  source.open = [path] { return OpenDirectorySource(path); };
  return source;
}

}  // namespace

absl::StatusOr<std::unique_ptr<ImageStore>> ImageStore::Open(std::filesystem::path dir) {
  RETURN_IF_ERROR(PrepareStoreDir(dir));
  return std::unique_ptr<ImageStore>(new ImageStore(std::move(dir)));
}

absl::Status ImageStore::CheckFree(std::string_view name) const {
  RETURN_IF_ERROR(CheckStoreName("image", name));
  std::error_code ignored;
  return std::filesystem::exists(dir_ / name, ignored) ? TakenName(name) : absl::OkStatus();
}

absl::StatusOr<ImageRecord> ImageStore::Import(std::string_view name,
                                               const std::filesystem::path& tar_or_dir,
                                               uint64_t size_bytes, const ProgressSink& sink,
                                               const Cancellation& cancellation) {
  RETURN_IF_ERROR(CheckFree(name));
  struct stat about {};
  if (stat(tar_or_dir.c_str(), &about) != 0) return ErrnoStatus(errno, tar_or_dir.native());
  const std::string file = tar_or_dir.filename().native();
  if (S_ISDIR(about.st_mode)) {
    return Make(name, "dir:" + file, DirectoryRootfs(tar_or_dir), size_bytes, sink, cancellation);
  }
  if (!S_ISREG(about.st_mode)) {
    return InvalidArgument("{}: neither a tar archive nor a folder", tar_or_dir.native());
  }
  ASSIGN_OR_RETURN(const RootfsSource source, ArchiveRootfs(tar_or_dir));
  return Make(name, "tar:" + file, source, size_bytes, sink, cancellation);
}

absl::StatusOr<ImageRecord> ImageStore::Build(std::string_view name, const BuildRecipe& recipe,
                                              const ProgressSink& sink,
                                              const Cancellation& cancellation) {
  RETURN_IF_ERROR(CheckFree(name));
  ASSIGN_OR_RETURN(const StagingDir scratch, StagingDir::Create(dir_));
  if (recipe.from == "busybox") {
    if (!recipe.packages.empty()) {
      return WithHint(InvalidArgument("a busybox image takes no packages"),
                      "use '--from debian:bookworm' for an image with packages");
    }
    ASSIGN_OR_RETURN(const std::vector<ListedEntry> entries,
                     MakeBusyboxRootfs(scratch.path(), sink, cancellation));
    RootfsSource source;
    source.open = [&entries] { return std::make_unique<ListSource>(entries); };
    return Make(name, recipe.from, source, recipe.size_bytes, sink, cancellation);
  }
  if (recipe.from.starts_with(kDebianPrefix)) {
    ASSIGN_OR_RETURN(const std::filesystem::path tar,
                     MakeDebianTar(recipe.from.substr(kDebianPrefix.size()), recipe.packages,
                                   scratch.path(), sink, cancellation));
    ASSIGN_OR_RETURN(RootfsSource source, ArchiveRootfs(tar));
    source.replacements = DebianReplacements();
    return Make(name, recipe.from, source, recipe.size_bytes, sink, cancellation);
  }
  return WithHint(InvalidArgument("cannot build an image from '{}'", recipe.from),
                  "use '--from busybox' or '--from debian:<suite>', for example debian:bookworm");
}

absl::StatusOr<ImageRecord> ImageStore::Make(std::string_view name, const std::string& source_name,
                                             const RootfsSource& source, uint64_t size_bytes,
                                             const ProgressSink& sink,
                                             const Cancellation& cancellation) {
  ASSIGN_OR_RETURN(StagingDir entry, StagingDir::Create(dir_));
  const std::filesystem::path rootfs = entry.path() / kRootfsFile;
  RootfsOptions options;
  options.size_bytes = size_bytes;
  ASSIGN_OR_RETURN(const uint64_t size, WriteRootfs(source, rootfs, options, sink, cancellation));
  ASSIGN_OR_RETURN(const std::string digest, DigestFile(rootfs, sink, cancellation));
  RETURN_IF_ERROR(
      WriteRecordFile(entry.path() / kRecordFile, {{"source", source_name},
                                                   {"digest", digest},
                                                   {"size_bytes", size},
                                                   {"created_at", FormatRecordTime(absl::Now())}}));
  // Clones share these bytes: nobody writes them any more.
  if (chmod(rootfs.c_str(), 0444) != 0) return ErrnoStatus(errno, rootfs.native());
  if (absl::Status status = std::move(entry).Commit(name); !status.ok()) {
    return absl::IsAlreadyExists(status) ? TakenName(name) : status;
  }
  return Get(name);
}

absl::StatusOr<ImageRecord> ImageStore::Read(std::string_view name) const {
  const std::filesystem::path entry = dir_ / name;
  ASSIGN_OR_RETURN(const nlohmann::json record, ReadRecordFile(entry / kRecordFile));
  struct stat about {};
  const std::filesystem::path rootfs = entry / kRootfsFile;
  if (stat(rootfs.c_str(), &about) != 0) return ErrnoStatus(errno, rootfs.native());
  return ImageRecord{std::string(name),
                     TextField(record, "source"),
                     TextField(record, "digest"),
                     static_cast<uint64_t>(NumberField(record, "size_bytes")),
                     static_cast<uint64_t>(about.st_blocks) * 512,
                     rootfs,
                     TimeField(record, "created_at")};
}

absl::StatusOr<std::vector<ImageRecord>> ImageStore::List() const {
  std::vector<ImageRecord> images;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(dir_, error)) {
    const std::string name = entry.path().filename().native();
    if (!CheckStoreName("image", name).ok()) continue;
    auto image = Read(name);
    // Deleted while we read the folder.
    if (absl::IsNotFound(image.status())) continue;
    if (!image.ok()) return image.status();
    images.push_back(*std::move(image));
  }
  if (error) return ErrnoStatus(error.value(), dir_.native());
  std::sort(images.begin(), images.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  return images;
}

absl::StatusOr<ImageRecord> ImageStore::Get(std::string_view name) const {
  if (!CheckStoreName("image", name).ok()) return NoSuchImage(name);
  auto image = Read(name);
  return absl::IsNotFound(image.status()) ? NoSuchImage(name) : image;
}

absl::Status ImageStore::Delete(std::string_view name) {
  RETURN_IF_ERROR(Get(name).status());
  const absl::Status status = RemoveEntry(dir_, name);
  return absl::IsNotFound(status) ? NoSuchImage(name) : status;
}

}  // namespace ember::images
