#include "backends/images/image_import.h"

#include <sys/stat.h>

#include <cerrno>
#include <system_error>

#include "backends/images/archive_source.h"
#include "backends/images/busybox_rootfs.h"
#include "backends/images/debian_rootfs.h"
#include "backends/images/directory_source.h"
#include "backends/images/dockerfile_build.h"
#include "backends/images/file_digest.h"
#include "backends/images/image_transfer.h"
#include "base/fault_point.h"
#include "base/status.h"
#include "base/status_macros.h"

namespace ember::images {
namespace {

constexpr std::string_view kDebianPrefix = "debian:";

// The same archive makes the same bytes, and so one image however often it is imported.
absl::StatusOr<RootfsSource> ArchiveRootfs(const std::filesystem::path& path,
                                           const ProgressSink& sink,
                                           const Cancellation& cancellation) {
  RootfsSource source;
  ASSIGN_OR_RETURN(source.identity, DigestFile(path, sink, cancellation));
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
  source.identity = path.native();
  return source;
}

absl::StatusOr<ImageRecord> BuildBusybox(ImageStore& store, const std::string& name,
                                         const BuildRecipe& recipe, const ProgressSink& sink,
                                         const Cancellation& cancellation) {
  if (!recipe.packages.empty()) {
    return WithHint(InvalidArgument("a busybox image takes no packages"),
                    "use '--from debian:bookworm' for an image with packages");
  }
  ASSIGN_OR_RETURN(const StagingDir scratch, store.Scratch());
  ASSIGN_OR_RETURN(const std::vector<ListedEntry> entries,
                   MakeBusyboxRootfs(scratch.path(), sink, cancellation));
  RootfsSource source;
  source.open = [&entries] { return std::make_unique<ListSource>(entries); };
  source.identity = recipe.from;
  return store.Make(name, {recipe.from}, source, {.size_bytes = recipe.size_bytes}, NameMode::kNew,
                    sink, cancellation);
}

absl::StatusOr<ImageRecord> BuildDebian(ImageStore& store, const std::string& name,
                                        const BuildRecipe& recipe, const ProgressSink& sink,
                                        const Cancellation& cancellation) {
  ASSIGN_OR_RETURN(const StagingDir scratch, store.Scratch());
  ASSIGN_OR_RETURN(const std::filesystem::path tar,
                   MakeDebianTar(recipe.from.substr(kDebianPrefix.size()), recipe.packages,
                                 scratch.path(), sink, cancellation));
  ASSIGN_OR_RETURN(RootfsSource source, ArchiveRootfs(tar, sink, cancellation));
  source.replacements = DebianReplacements();
  return store.Make(name, {recipe.from}, source, {.size_bytes = recipe.size_bytes}, NameMode::kNew,
                    sink, cancellation);
}

absl::StatusOr<ImageRecord> BuildFromDockerfile(ImageStore& store, const std::string& name,
                                                const BuildRecipe& recipe, const ProgressSink& sink,
                                                const Cancellation& cancellation) {
  if (!recipe.from.empty() || !recipe.packages.empty()) {
    return InvalidArgument("image '{}': it is built from a Dockerfile or from packages, not both",
                           name);
  }
  ASSIGN_OR_RETURN(const StagingDir scratch, store.Scratch());
  const auto archive = BuildDockerfile(recipe, scratch.path(), sink, cancellation);
  if (!archive.ok()) return Annotate(archive.status(), fmt::format("image '{}'", name));
  CrashPoint("image-build/archived");
  RETURN_IF_ERROR(FaultPoint("image-build/take"));
  return TakeBuiltImage(store, name, "dockerfile:" + recipe.context.native(), *archive,
                        recipe.size_bytes, sink, cancellation);
}

}  // namespace

absl::StatusOr<ImageRecord> ImportImage(ImageStore& store, std::string_view name,
                                        const std::filesystem::path& tar_or_dir,
                                        uint64_t size_bytes, const ProgressSink& sink,
                                        const Cancellation& cancellation) {
  ASSIGN_OR_RETURN(const std::string known, store.CheckFree(name));
  struct stat about {};
  if (stat(tar_or_dir.c_str(), &about) != 0) return ErrnoStatus(errno, tar_or_dir.native());
  const bool is_folder = S_ISDIR(about.st_mode);
  if (!is_folder && !S_ISREG(about.st_mode)) {
    return InvalidArgument("{}: neither a tar archive nor a folder", tar_or_dir.native());
  }
  const std::string file = tar_or_dir.filename().native();
  absl::StatusOr<RootfsSource> source = DirectoryRootfs(tar_or_dir);
  if (!is_folder) source = ArchiveRootfs(tar_or_dir, sink, cancellation);
  if (!source.ok()) return source.status();
  return store.Make(known, {(is_folder ? "dir:" : "tar:") + file}, *source,
                    {.size_bytes = size_bytes}, NameMode::kNew, sink, cancellation);
}

absl::StatusOr<ImageRecord> BuildImage(ImageStore& store, std::string_view name,
                                       const BuildRecipe& recipe, const ProgressSink& sink,
                                       const Cancellation& cancellation) {
  ASSIGN_OR_RETURN(const std::string known, store.CheckFree(name));
  if (!recipe.context.empty()) {
    return BuildFromDockerfile(store, known, recipe, sink, cancellation);
  }
  if (recipe.from == "busybox") return BuildBusybox(store, known, recipe, sink, cancellation);
  if (recipe.from.starts_with(kDebianPrefix)) {
    return BuildDebian(store, known, recipe, sink, cancellation);
  }
  return WithHint(
      InvalidArgument("cannot build an image from '{}'", recipe.from),
      "use '--from busybox' or '--from debian:<suite>', for example debian:bookworm, or "
      "name a folder with a Dockerfile");
}

}  // namespace ember::images
