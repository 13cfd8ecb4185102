#include "backends/images/oci/unpacked_archive.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <optional>

#include "backends/images/archive_source.h"
#include "backends/images/entry_path.h"
#include "backends/images/oci/manifest.h"
#include "backends/images/sha256.h"
#include "base/file.h"
#include "base/size.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"

namespace ember::images {
namespace {

constexpr uint64_t kMaxBytes = 64 * kGiB;
constexpr size_t kMaxEntries = 100'000;
constexpr int kMaxLinkHops = 8;
constexpr uint64_t kProgressStep = 8 * kMiB;

absl::Status WriteAll(int fd, std::string_view bytes, const std::filesystem::path& path) {
  while (!bytes.empty()) {
    const ssize_t written = write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return ErrnoStatus(errno, path.native());
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return absl::OkStatus();
}

// Docker's older archives have "ID/layer.tar" as links to "../OTHER/layer.tar".
std::optional<std::string> LinkTarget(const Entry& entry, std::string_view path) {
  if (entry.type == EntryType::kHardLink) {
    auto target = NormalizePath(entry.target);
    return target.ok() ? std::optional(*target) : std::nullopt;
  }
  const std::filesystem::path from = std::filesystem::path(path).parent_path();
  auto target = NormalizePath((from / entry.target).lexically_normal().native());
  return target.ok() ? std::optional(*target) : std::nullopt;
}

// Writes the file that the source stands at.
absl::StatusOr<UnpackedArchive::File> WriteFile(EntrySource& source,
                                                const std::filesystem::path& path,
                                                uint64_t& bytes_left,
                                                const Cancellation& cancellation) {
  UniqueFd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
  if (!fd.valid()) return ErrnoStatus(errno, path.native());
  UnpackedArchive::File file{path, "", 0};
  Sha256 sha;
  const auto append = [&](std::string_view bytes) -> absl::Status {
    if (bytes.size() > bytes_left) {
      return ResourceExhausted("it unpacks to more than {}", FormatSize(kMaxBytes));
    }
    bytes_left -= bytes.size();
    file.size_bytes += bytes.size();
    sha.Add(bytes);
    return WriteAll(fd.get(), bytes, path);
  };
  const std::string zeros(size_t{1} << 16, '\0');
  while (true) {
    RETURN_IF_ERROR(cancellation.Check("unpacking"));
    ASSIGN_OR_RETURN(const std::optional<EntryBlock> block, source.NextBlock());
    if (!block.has_value()) break;
    while (file.size_bytes < block->offset) {
      const uint64_t hole = std::min<uint64_t>(block->offset - file.size_bytes, zeros.size());
      RETURN_IF_ERROR(append(std::string_view(zeros).substr(0, hole)));
    }
    RETURN_IF_ERROR(append(block->bytes));
  }
  file.digest = sha.Finish();
  return file;
}

}  // namespace

absl::StatusOr<UnpackedArchive> UnpackedArchive::Unpack(const std::filesystem::path& archive,
                                                        const std::filesystem::path& folder,
                                                        const Keep& keep, const ProgressSink& sink,
                                                        const Cancellation& cancellation) {
  RETURN_IF_ERROR(MakeDirectories(folder, 0755));
  UnpackedArchive unpacked(archive);
  ASSIGN_OR_RETURN(const auto source, OpenArchiveSource(archive));
  std::error_code unknown;
  const uint64_t total = std::filesystem::file_size(archive, unknown);
  uint64_t bytes_left = kMaxBytes;
  uint64_t next_report = 0;
  for (size_t count = 0;; ++count) {
    if (count == kMaxEntries) {
      return ResourceExhausted("{} has more than {} entries", archive.native(), kMaxEntries);
    }
    RETURN_IF_ERROR(cancellation.Check("unpacking"));
    ASSIGN_OR_RETURN(const std::optional<Entry> entry, source->Next());
    if (!entry.has_value()) return unpacked;
    auto path = NormalizePath(entry->path);
    if (!path.ok()) return Annotate(path.status(), archive.native());
    if (entry->type == EntryType::kSymlink || entry->type == EntryType::kHardLink) {
      if (auto target = LinkTarget(*entry, *path)) unpacked.links_[*path] = *target;
    }
    if (entry->type != EntryType::kFile || (keep && !keep(*path))) continue;
    auto file = WriteFile(*source, folder / std::to_string(count), bytes_left, cancellation);
    if (!file.ok()) return Annotate(file.status(), archive.native());
    unpacked.files_[*path] = *std::move(file);
    if (source->bytes_read() < next_report) continue;
    Report(sink,
           {"unpacking", archive.filename().native(), source->bytes_read(), unknown ? 0 : total});
    next_report = source->bytes_read() + kProgressStep;
  }
}

const UnpackedArchive::File* UnpackedArchive::Find(const std::string& path) const {
  std::string at = path;
  for (int hops = 0; hops < kMaxLinkHops; ++hops) {
    if (const auto file = files_.find(at); file != files_.end()) return &file->second;
    const auto link = links_.find(at);
    if (link == links_.end()) return nullptr;
    at = link->second;
  }
  return nullptr;
}

absl::StatusOr<std::string> UnpackedArchive::ReadDocument(const std::string& path) const {
  const File* file = Find(path);
  if (file == nullptr) return NotFound("{} has no '{}'", archive_.native(), path);
  if (file->size_bytes > kMaxManifestBytes) {
    return InvalidArgument("{}: '{}' has {} bytes, which no such document has", archive_.native(),
                           path, file->size_bytes);
  }
  return ReadFile(file->path);
}

}  // namespace ember::images
