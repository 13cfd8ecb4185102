#include "backends/storage/layer_files.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "backends/storage/qcow2_overlay.h"
#include "base/file.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "base/subprocess.h"

namespace ember::storage {
namespace {

constexpr std::string_view kRawEnding = ".img";
constexpr std::string_view kQcow2Ending = ".qcow2";

absl::Status FailureOf(const ToolResult& result, const std::filesystem::path& disk) {
  std::string_view words = result.err;
  while (words.ends_with('\n')) words.remove_suffix(1);
  const bool full = words.find("No space left") != std::string_view::npos ||
                    words.find("quota exceeded") != std::string_view::npos;
  const auto code = full ? absl::StatusCode::kResourceExhausted : absl::StatusCode::kInternal;
  return MakeStatus(code, "flatten {}: {}: {}", disk.native(), result.exit.Describe(), words);
}

}  // namespace

std::string UniqueDiskStem(std::string_view uuid) {
  constexpr size_t kRandomEnd = 12;  // a time-ordered UUID starts with the time
  return fmt::format("disk-{}", uuid.substr(uuid.size() - std::min(uuid.size(), kRandomEnd)));
}

std::filesystem::path LayerFiles::PathOf(std::string_view id, VolumeFormat format) const {
  return dir_ / fmt::format("{}{}", id, format == VolumeFormat::kRaw ? kRawEnding : kQcow2Ending);
}

std::string LayerFiles::IdOf(const std::filesystem::path& path) const {
  const std::filesystem::path ending = path.extension();
  const bool ours = path.parent_path() == dir_ && (ending == kRawEnding || ending == kQcow2Ending);
  return ours ? path.stem().native() : "";
}

absl::StatusOr<Volume> LayerFiles::Link(const Volume& top, std::string_view id) const {
  RETURN_IF_ERROR(MakeDirectories(dir_, 0700));
  const std::filesystem::path path = PathOf(id, top.format);
  if (link(top.path.c_str(), path.c_str()) != 0) {
    return ErrnoStatus(errno, fmt::format("link {} to {}", top.path.native(), path.native()));
  }
  if (absl::Status synced = SyncDirectory(dir_); !synced.ok()) {
    unlink(path.c_str());
    return synced;
  }
  return Volume{path, top.format, top.size_bytes};
}

absl::StatusOr<Volume> LayerFiles::Overlay(std::string_view id, std::string_view format,
                                           const CloneTarget& target, uint64_t size_bytes) const {
  const VolumeFormat of_layer = ParseVolumeFormat(format);
  return CreateOverlay(PathOf(id, of_layer), of_layer, target, size_bytes);
}

absl::Status LayerFiles::Remove(std::string_view id, VolumeFormat format) const {
  return RemoveVolume({PathOf(id, format), format, 0});
}

absl::StatusOr<std::vector<std::filesystem::path>> LayerFiles::List() const {
  std::vector<std::filesystem::path> files;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(dir_, error)) {
    files.push_back(entry.path());
  }
  if (error && error != std::errc::no_such_file_or_directory) {
    return ErrnoStatus(error.value(), dir_.native());
  }
  return files;
}

absl::Status Flatten(const std::filesystem::path& disk, const std::filesystem::path& base,
                     VolumeFormat base_format, const Cancellation& cancellation) {
  const auto program = FindProgram("qemu-img");
  if (!program.has_value()) {
    return WithHint(NotFound("qemu-img is not installed; it shortens chains of disks"),
                    "apt install qemu-utils");
  }
  ToolOptions options;
  options.argv = {program->native(), "rebase", "-q", "-f", "qcow2", "-b", base.native()};
  if (!base.empty()) {
    options.argv.insert(options.argv.end(), {"-F", std::string(VolumeFormatName(base_format))});
  }
  options.argv.insert(options.argv.end(), {"--", disk.native()});
  ASSIGN_OR_RETURN(const ToolResult result, RunTool(options, cancellation));
  return result.exit.code == 0 ? absl::OkStatus() : FailureOf(result, disk);
}

}  // namespace ember::storage
