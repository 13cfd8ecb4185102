#include "backends/images/deb_package.h"

#include "backends/images/archive_handle.h"
#include "base/size.h"
#include "base/status.h"
#include "base/status_macros.h"

namespace ember::images {
namespace {

constexpr uint64_t kMaxFile = 512 * kMiB;
constexpr size_t kReadSize = size_t{1} << 18;

// Hands the bytes of the outer archive's current member to the inner reader.
la_ssize_t ReadMember(struct archive* inner, void* outer, const void** block) {
  size_t size = 0;
  la_int64_t offset = 0;
  auto* reader = static_cast<struct archive*>(outer);
  const int result = archive_read_data_block(reader, block, &size, &offset);
  if (result == ARCHIVE_EOF) return 0;
  if (result == ARCHIVE_OK) return static_cast<la_ssize_t>(size);
  archive_set_error(inner, archive_errno(reader), "%s", ArchiveError(reader).c_str());
  return ARCHIVE_FATAL;
}

absl::StatusOr<ArchiveReadHandle> OpenMember(const std::filesystem::path& deb) {
  ArchiveReadHandle outer(archive_read_new());
  archive_read_support_format_ar(outer.get());
  if (archive_read_open_filename(outer.get(), deb.c_str(), kReadSize) != ARCHIVE_OK) {
    return InvalidArgument("is no Debian package: {}", ArchiveError(outer.get()));
  }
  struct archive_entry* entry = nullptr;
  int result = ARCHIVE_OK;
  while ((result = archive_read_next_header(outer.get(), &entry)) == ARCHIVE_OK) {
    const char* name = archive_entry_pathname(entry);
    if (name != nullptr && std::string_view(name).starts_with("data.tar")) return outer;
  }
  if (result != ARCHIVE_EOF) {
    return InvalidArgument("is no Debian package: {}", ArchiveError(outer.get()));
  }
  return InvalidArgument("is no Debian package: it has no data.tar member");
}

absl::StatusOr<std::string> SafePath(const char* raw) {
  std::string_view path = raw != nullptr ? raw : "";
  if (path.starts_with("./")) path.remove_prefix(2);
  if (path.starts_with("/") || path == ".." || path.starts_with("../") ||
      path.find("/../") != path.npos || path.ends_with("/..")) {
    return InvalidArgument("has a path that leaves the package: '{}'", path);
  }
  return std::string(path);
}

absl::StatusOr<std::string> ReadContent(struct archive* reader, const std::string& path) {
  std::string content;
  while (true) {
    const void* block = nullptr;
    size_t size = 0;
    la_int64_t offset = 0;
    const int result = archive_read_data_block(reader, &block, &size, &offset);
    if (result == ARCHIVE_EOF) return content;
    if (result != ARCHIVE_OK) return InvalidArgument("'{}': {}", path, ArchiveError(reader));
    if (static_cast<uint64_t>(offset) + size > kMaxFile) {
      return ResourceExhausted("'{}' is larger than {}", path, FormatSize(kMaxFile));
    }
    content.resize(static_cast<size_t>(offset));
    content.append(static_cast<const char*>(block), size);
  }
}

absl::Status ReadEntries(struct archive* reader, const WantsDebFile& wants,
                         const VisitDebFile& visit, const Cancellation& cancellation) {
  struct archive_entry* entry = nullptr;
  while (true) {
    RETURN_IF_ERROR(cancellation.Check("unpacking"));
    const int result = archive_read_next_header(reader, &entry);
    if (result == ARCHIVE_EOF) return absl::OkStatus();
    if (result != ARCHIVE_OK && result != ARCHIVE_WARN) {
      return InvalidArgument("is a damaged package: {}", ArchiveError(reader));
    }
    if (archive_entry_filetype(entry) != AE_IFREG) continue;
    ASSIGN_OR_RETURN(const std::string path, SafePath(archive_entry_pathname(entry)));
    if (!wants(path)) continue;
    ASSIGN_OR_RETURN(const std::string content, ReadContent(reader, path));
    RETURN_IF_ERROR(visit(path, content));
  }
}

absl::Status ReadFiles(const std::filesystem::path& deb, const WantsDebFile& wants,
                       const VisitDebFile& visit, const Cancellation& cancellation) {
  ASSIGN_OR_RETURN(const ArchiveReadHandle outer, OpenMember(deb));
  ArchiveReadHandle inner(archive_read_new());
  archive_read_support_filter_all(inner.get());
  archive_read_support_format_tar(inner.get());
  if (archive_read_open(inner.get(), outer.get(), nullptr, ReadMember, nullptr) != ARCHIVE_OK) {
    return InvalidArgument("is a damaged package: {}", ArchiveError(inner.get()));
  }
  return ReadEntries(inner.get(), wants, visit, cancellation);
}

}  // namespace

absl::Status ReadDebFiles(const std::filesystem::path& deb, const WantsDebFile& wants,
                          const VisitDebFile& visit, const Cancellation& cancellation) {
  return Annotate(ReadFiles(deb, wants, visit, cancellation), deb.native());
}

}  // namespace ember::images
