#include "backends/images/oci/blob_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "backends/images/file_digest.h"
#include "base/file.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"

namespace ember::images {
namespace {

constexpr std::string_view kSha256 = "sha256:";
constexpr size_t kHexDigits = 64;
constexpr size_t kShortDigits = 12;
constexpr mode_t kBlobMode = 0444;

bool IsHexName(std::string_view name) {
  return name.size() == kHexDigits && std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

absl::Status SyncPath(const std::filesystem::path& path) {
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid() || fsync(fd.get()) != 0) return ErrnoStatus(errno, path.native());
  return absl::OkStatus();
}

absl::Status WrongDigest(std::string_view what, std::string_view wanted, std::string_view actual) {
  return DataLoss("{} is damaged: its digest should be {} and is {}", what, wanted, actual);
}

}  // namespace

absl::Status CheckDigest(std::string_view digest) {
  if (digest.starts_with(kSha256) && IsHexName(digest.substr(kSha256.size()))) {
    return absl::OkStatus();
  }
  return InvalidArgument("'{}' is no digest of the form sha256:<64 hexadecimal digits>",
                         digest.substr(0, 100));
}

std::string ShortDigest(std::string_view digest) {
  if (digest.starts_with(kSha256)) digest.remove_prefix(kSha256.size());
  return std::string(digest.substr(0, kShortDigits));
}

absl::StatusOr<BlobStore> BlobStore::Open(const std::filesystem::path& dir) {
  BlobStore store(dir / "blobs" / "sha256");
  RETURN_IF_ERROR(MakeDirectories(store.folder_, 0755));
  return store;
}

std::filesystem::path BlobStore::Path(std::string_view digest) const {
  return folder_ / digest.substr(kSha256.size());
}

bool BlobStore::Has(std::string_view digest) const {
  struct stat about {};
  return CheckDigest(digest).ok() && stat(Path(digest).c_str(), &about) == 0 &&
         S_ISREG(about.st_mode);
}

absl::Status BlobStore::Put(const std::filesystem::path& file, std::string_view digest,
                            const Cancellation& cancellation) const {
  RETURN_IF_ERROR(CheckDigest(digest));
  ASSIGN_OR_RETURN(const std::string actual, DigestFile(file, {}, cancellation));
  if (actual != digest) return WrongDigest(file.native(), digest, actual);
  // Verified first: a name in the store never stands for bytes that nobody has looked at.
  if (chmod(file.c_str(), kBlobMode) != 0) return ErrnoStatus(errno, file.native());
  RETURN_IF_ERROR(SyncPath(file));
  const std::filesystem::path target = Path(digest);
  if (rename(file.c_str(), target.c_str()) != 0) return ErrnoStatus(errno, target.native());
  // rename(2) does nothing when both names are links of one file.
  if (unlink(file.c_str()) != 0 && errno != ENOENT) return ErrnoStatus(errno, file.native());
  return SyncPath(folder_);
}

absl::StatusOr<std::string> BlobStore::PutBytes(std::string_view bytes) const {
  std::string digest = DigestBytes(bytes);
  if (Has(digest)) return digest;
  RETURN_IF_ERROR(WriteFileAtomically(Path(digest), bytes, kBlobMode));
  return digest;
}

absl::StatusOr<std::string> BlobStore::Read(std::string_view digest, uint64_t max_bytes) const {
  RETURN_IF_ERROR(CheckDigest(digest));
  const std::filesystem::path path = Path(digest);
  std::error_code error;
  const uint64_t size = std::filesystem::file_size(path, error);
  if (error) return ErrnoStatus(error.value(), path.native());
  if (size > max_bytes) {
    return ResourceExhausted("{} has {} bytes; at most {} are taken", digest, size, max_bytes);
  }
  ASSIGN_OR_RETURN(std::string content, ReadFile(path));
  if (const std::string actual = DigestBytes(content); actual != digest) {
    return WrongDigest(path.native(), digest, actual);
  }
  return content;
}

absl::Status BlobStore::Remove(std::string_view digest) const {
  RETURN_IF_ERROR(CheckDigest(digest));
  const std::filesystem::path path = Path(digest);
  if (unlink(path.c_str()) == 0 || errno == ENOENT) return absl::OkStatus();
  return ErrnoStatus(errno, path.native());
}

absl::StatusOr<std::vector<Blob>> BlobStore::List() const {
  std::vector<Blob> blobs;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder_, error)) {
    const std::string name = entry.path().filename().native();
    std::error_code gone;
    const uint64_t size = entry.file_size(gone);
    if (IsHexName(name) && !gone) blobs.push_back({std::string(kSha256) + name, size});
  }
  if (error) return ErrnoStatus(error.value(), folder_.native());
  std::sort(blobs.begin(), blobs.end(),
            [](const Blob& a, const Blob& b) { return a.digest < b.digest; });
  return blobs;
}

}  // namespace ember::images
