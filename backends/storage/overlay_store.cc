#include "backends/storage/overlay_store.h"

#include <system_error>

#include "backends/storage/clone_request.h"
#include "backends/storage/new_file.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "base/subprocess.h"

namespace ember::storage {
namespace {

absl::Status FailureOf(const ToolResult& result, const std::filesystem::path& target) {
  std::string_view words = result.err;
  while (words.ends_with('\n')) words.remove_suffix(1);
  const bool full = words.find("No space left") != std::string_view::npos ||
                    words.find("quota exceeded") != std::string_view::npos;
  const auto code = full ? absl::StatusCode::kResourceExhausted : absl::StatusCode::kInternal;
  return MakeStatus(code, "make overlay {}: {}: {}", target.native(), result.exit.Describe(),
                    words);
}

absl::StatusOr<std::string> FindQemuImg() {
  const auto program = FindProgram("qemu-img");
  if (program.has_value()) return program->native();
  return WithHint(NotFound("qemu-img is not installed; it makes the disks of VMs"),
                  "apt install qemu-utils");
}

}  // namespace

absl::StatusOr<Volume> OverlayStore::Clone(const std::filesystem::path& source,
                                           const std::filesystem::path& target_dir,
                                           uint64_t size_bytes, const Cancellation& cancellation) {
  RETURN_IF_ERROR(CheckCloneRequest(source, size_bytes));
  // Relative names would be looked up next to the overlay.
  std::error_code error;
  const std::filesystem::path backing = std::filesystem::absolute(source, error);
  const std::filesystem::path dir = std::filesystem::absolute(target_dir, error);
  if (error) return ErrnoStatus(error.value(), source.native());
  ASSIGN_OR_RETURN(const std::string qemu_img, FindQemuImg());
  // Ours first, so that an existing disk is never overwritten; qemu-img then fills this very file.
  ASSIGN_OR_RETURN(NewFile target, NewFile::Create(dir / "disk.qcow2"));
  ToolOptions options;
  options.argv = {qemu_img,
                  "create",
                  "-q",
                  "-f",
                  "qcow2",
                  "-F",
                  "raw",
                  "-b",
                  backing,
                  "--",
                  target.path().native(),
                  fmt::to_string(size_bytes)};
  ASSIGN_OR_RETURN(const ToolResult result, RunTool(options, cancellation));
  if (result.exit.code != 0) return FailureOf(result, target.path());
  target.Keep();
  return Volume{target.path(), VolumeFormat::kQcow2, size_bytes};
}

}  // namespace ember::storage
