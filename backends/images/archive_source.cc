#include "backends/images/archive_source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>

#include "backends/images/archive_acl.h"
#include "backends/images/archive_handle.h"
#include "backends/images/archive_locale.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"

namespace ember::images {
namespace {

constexpr size_t kReadSize = size_t{1} << 18;

std::optional<EntryType> TypeOf(struct archive_entry* entry) {
  if (archive_entry_hardlink(entry) != nullptr) return EntryType::kHardLink;
  switch (archive_entry_filetype(entry)) {
    case AE_IFREG:
      return EntryType::kFile;
    case AE_IFDIR:
      return EntryType::kDirectory;
    case AE_IFLNK:
      return EntryType::kSymlink;
    case AE_IFCHR:
      return EntryType::kCharDevice;
    case AE_IFBLK:
      return EntryType::kBlockDevice;
    case AE_IFIFO:
      return EntryType::kFifo;
    case AE_IFSOCK:
      return EntryType::kSocket;
    default:
      return std::nullopt;
  }
}

// Attributes of other systems mean nothing in a Linux guest and are left out. ACLs come in the
// kernel's form from what reads a disk (umoci, buildah), else as libarchive's lists.
bool IsLinuxAttribute(std::string_view name) {
  return name.starts_with("user.") || name.starts_with("security.") ||
         name.starts_with("trusted.") || name == "system.posix_acl_access" ||
         name == "system.posix_acl_default";
}

void ReadAttributes(struct archive_entry* source, Entry& entry) {
  const char* name = nullptr;
  const void* value = nullptr;
  size_t size = 0;
  archive_entry_xattr_reset(source);
  while (archive_entry_xattr_next(source, &name, &value, &size) == ARCHIVE_OK) {
    if (IsLinuxAttribute(name)) entry.xattrs[name].assign(static_cast<const char*>(value), size);
  }
  AddAclAttributes(source, entry);
}

// POSIX ids are 32 bits; an archive can hold any number.
absl::StatusOr<uint32_t> IdOf(la_int64_t id, const char* path) {
  if (id >= 0 && id < int64_t{UINT32_MAX}) return static_cast<uint32_t>(id);
  return InvalidArgument("entry '{}' has an owner or group id that is out of range: {}", path, id);
}

absl::StatusOr<Entry> Convert(struct archive_entry* source, const char* path, EntryType type) {
  Entry entry;
  entry.path = path;
  entry.type = type;
  entry.mode = archive_entry_perm(source);
  ASSIGN_OR_RETURN(entry.uid, IdOf(archive_entry_uid(source), path));
  ASSIGN_OR_RETURN(entry.gid, IdOf(archive_entry_gid(source), path));
  entry.mtime = absl::FromUnixSeconds(archive_entry_mtime(source)) +
                absl::Nanoseconds(archive_entry_mtime_nsec(source));
  const char* target =
      type == EntryType::kHardLink ? archive_entry_hardlink(source) : archive_entry_symlink(source);
  if (target != nullptr) entry.target = target;
  if (type == EntryType::kCharDevice || type == EntryType::kBlockDevice) {
    entry.device_major = static_cast<uint32_t>(archive_entry_rdevmajor(source));
    entry.device_minor = static_cast<uint32_t>(archive_entry_rdevminor(source));
  }
  if (type == EntryType::kFile) {
    entry.size_bytes = static_cast<uint64_t>(std::max<la_int64_t>(0, archive_entry_size(source)));
  }
  ReadAttributes(source, entry);
  return entry;
}

class ArchiveSource final : public EntrySource {
 public:
  ArchiveSource(std::string name, std::unique_ptr<ByteStream> stream)
      : name_(std::move(name)), stream_(std::move(stream)), reader_(archive_read_new()) {}

  absl::Status OpenFile() {
    const Utf8Scope utf8;
    archive_read_support_filter_all(reader_.get());
    archive_read_support_format_tar(reader_.get());
    if (archive_read_open_filename(reader_.get(), name_.c_str(), kReadSize) != ARCHIVE_OK) {
      return Failed("cannot be read as a tar archive");
    }
    return absl::OkStatus();
  }

  absl::Status OpenStream() {
    const Utf8Scope utf8;
    archive_read_support_format_tar(reader_.get());
    if (archive_read_open(reader_.get(), this, nullptr, &ArchiveSource::ReadStream, nullptr) !=
        ARCHIVE_OK) {
      return Failed("is no tar archive");
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::optional<Entry>> Next() override {
    const Utf8Scope utf8;
    while (true) {
      struct archive_entry* entry = nullptr;
      const int result = archive_read_next_header(reader_.get(), &entry);
      if (result == ARCHIVE_EOF) return End();
      // A warning is about a name that is no UTF-8; the name comes as it is.
      if (result != ARCHIVE_OK && result != ARCHIVE_WARN) {
        return Failed(entries_ == 0 ? "is no tar archive" : "is a damaged tar archive");
      }
      ++entries_;
      const char* name = archive_entry_pathname(entry);
      if (name == nullptr) return Failed("has an entry without a name");
      const auto type = TypeOf(entry);
      if (!type.has_value()) continue;
      auto converted = Convert(entry, name, *type);
      if (!converted.ok()) return Annotate(converted.status(), name_);
      return *std::move(converted);
    }
  }

  absl::StatusOr<std::optional<EntryBlock>> NextBlock() override {
    const void* bytes = nullptr;
    size_t size = 0;
    la_int64_t offset = 0;
    const int result = archive_read_data_block(reader_.get(), &bytes, &size, &offset);
    if (result == ARCHIVE_EOF) return std::nullopt;
    if (result != ARCHIVE_OK && result != ARCHIVE_WARN) return Failed("is a damaged tar archive");
    return EntryBlock{static_cast<uint64_t>(offset), {static_cast<const char*>(bytes), size}};
  }

  uint64_t bytes_read() const override {
    if (stream_ != nullptr) return stream_->bytes_read();
    return static_cast<uint64_t>(std::max<la_int64_t>(0, archive_filter_bytes(reader_.get(), -1)));
  }

 private:
  static la_ssize_t ReadStream(struct archive* reader, void* self, const void** bytes) {
    auto& source = *static_cast<ArchiveSource*>(self);
    auto piece = source.stream_->Next();
    if (!piece.ok()) {
      source.stream_status_ = piece.status();
      archive_set_error(reader, EIO, "the stream failed");
      return ARCHIVE_FATAL;
    }
    *bytes = piece->data();
    return static_cast<la_ssize_t>(piece->size());
  }

  absl::Status Failed(std::string_view what) const {
    RETURN_IF_ERROR(stream_status_);
    const int error = archive_errno(reader_.get());
    if (error == ENOENT || error == EACCES || error == EISDIR) {
      return ErrnoStatus(error, name_);
    }
    return InvalidArgument("{} {}: {}", name_, what, ArchiveError(reader_.get()));
  }

  // An empty file is an empty archive to libarchive, but not an image.
  absl::StatusOr<std::optional<Entry>> End() const {
    if (entries_ > 0 || stream_ != nullptr) return std::nullopt;
    return InvalidArgument("{} is no tar archive: it holds no entry", name_);
  }

  const std::string name_;
  const std::unique_ptr<ByteStream> stream_;  // null: the file of that name is read
  absl::Status stream_status_;
  ArchiveReadHandle reader_;
  uint64_t entries_ = 0;
};

}  // namespace

absl::StatusOr<std::unique_ptr<EntrySource>> OpenArchiveSource(const std::filesystem::path& path) {
  auto source = std::make_unique<ArchiveSource>(path.native(), nullptr);
  RETURN_IF_ERROR(source->OpenFile());
  return source;
}

absl::StatusOr<std::unique_ptr<EntrySource>> OpenArchiveStream(std::unique_ptr<ByteStream> stream,
                                                               std::string name) {
  auto source = std::make_unique<ArchiveSource>(std::move(name), std::move(stream));
  RETURN_IF_ERROR(source->OpenStream());
  return source;
}

std::optional<uint64_t> UnpackedSize(const std::filesystem::path& path) {
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat about {};
  if (!fd.valid() || fstat(fd.get(), &about) != 0 || about.st_size < 512) return std::nullopt;
  std::array<unsigned char, 263> head{};
  if (pread(fd.get(), head.data(), head.size(), 0) != static_cast<ssize_t>(head.size())) {
    return std::nullopt;
  }
  const auto size = static_cast<uint64_t>(about.st_size);
  if (std::string_view(reinterpret_cast<const char*>(head.data()) + 257, 5) == "ustar") return size;
  if (head[0] != 0x1f || head[1] != 0x8b) return std::nullopt;
  // RFC 1952: the last four bytes are the size modulo 2^32. Too small a number shows that it
  // wrapped or that more than one member follows another.
  std::array<unsigned char, 4> tail{};
  if (pread(fd.get(), tail.data(), 4, about.st_size - 4) != 4) return std::nullopt;
  const uint64_t unpacked = uint64_t{tail[0]} | uint64_t{tail[1]} << 8 | uint64_t{tail[2]} << 16 |
                            uint64_t{tail[3]} << 24;
  return unpacked < size ? std::nullopt : std::optional(unpacked);
}

}  // namespace ember::images
