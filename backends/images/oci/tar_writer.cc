#include "backends/images/oci/tar_writer.h"

#include <archive_entry.h>

#include <cerrno>

#include "backends/images/archive_handle.h"
#include "backends/images/archive_locale.h"
#include "base/status.h"
#include "base/status_macros.h"

namespace ember::images {
namespace {

struct EntryFree {
  void operator()(struct archive_entry* entry) const { archive_entry_free(entry); }
};

unsigned FileTypeOf(EntryType type) {
  switch (type) {
    case EntryType::kDirectory:
      return AE_IFDIR;
    case EntryType::kSymlink:
      return AE_IFLNK;
    case EntryType::kCharDevice:
      return AE_IFCHR;
    case EntryType::kBlockDevice:
      return AE_IFBLK;
    case EntryType::kFifo:
      return AE_IFIFO;
    case EntryType::kSocket:
      return AE_IFSOCK;
    default:
      return AE_IFREG;
  }
}

void Fill(const Entry& entry, struct archive_entry* to) {
  archive_entry_set_pathname(to, entry.path.empty() ? "./" : entry.path.c_str());
  archive_entry_set_filetype(to, FileTypeOf(entry.type));
  archive_entry_set_perm(to, static_cast<mode_t>(entry.mode));
  archive_entry_set_uid(to, entry.uid);
  archive_entry_set_gid(to, entry.gid);
  const int64_t seconds = absl::ToUnixSeconds(entry.mtime);
  const int64_t nanos = absl::ToInt64Nanoseconds(entry.mtime - absl::FromUnixSeconds(seconds));
  archive_entry_set_mtime(to, seconds, static_cast<long>(nanos));
  if (entry.type == EntryType::kHardLink) archive_entry_set_hardlink(to, entry.target.c_str());
  if (entry.type == EntryType::kSymlink) archive_entry_set_symlink(to, entry.target.c_str());
  if (entry.type == EntryType::kCharDevice || entry.type == EntryType::kBlockDevice) {
    archive_entry_set_rdevmajor(to, entry.device_major);
    archive_entry_set_rdevminor(to, entry.device_minor);
  }
  archive_entry_set_size(
      to, entry.type == EntryType::kFile ? static_cast<la_int64_t>(entry.size_bytes) : 0);
  for (const auto& [name, value] : entry.xattrs) {
    archive_entry_xattr_add_entry(to, name.c_str(), value.data(), value.size());
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<TarWriter>> TarWriter::Create(Put put) {
  std::unique_ptr<TarWriter> writer(new TarWriter(std::move(put)));
  writer->archive_.reset(archive_write_new());
  struct archive* archive = writer->archive_.get();
  archive_write_set_format_pax_restricted(archive);
  // Attributes once, in the form that every reader of layers knows.
  archive_write_set_options(archive, "pax:xattrheader=SCHILY");
  archive_write_set_bytes_in_last_block(archive, 1);
  if (archive_write_open(archive, writer.get(), nullptr, &TarWriter::PutBytes, nullptr) !=
      ARCHIVE_OK) {
    return writer->Failed();
  }
  return writer;
}

la_ssize_t TarWriter::PutBytes(struct archive* archive, void* self, const void* bytes,
                               size_t size) {
  auto& writer = *static_cast<TarWriter*>(self);
  writer.put_status_ = writer.put_({static_cast<const char*>(bytes), size});
  if (writer.put_status_.ok()) return static_cast<la_ssize_t>(size);
  archive_set_error(archive, EIO, "the bytes were not taken");
  return -1;
}

absl::Status TarWriter::Add(const Entry& entry) {
  // tar has no sockets: they mean nothing without the process that listens.
  if (entry.type == EntryType::kSocket) return absl::OkStatus();
  const Utf8Scope utf8;
  const std::unique_ptr<struct archive_entry, EntryFree> to(archive_entry_new());
  Fill(entry, to.get());
  // A warning is about a name that is no UTF-8: it is written as it is.
  if (archive_write_header(archive_.get(), to.get()) < ARCHIVE_WARN) return Failed();
  return absl::OkStatus();
}

absl::Status TarWriter::Write(std::string_view bytes) {
  while (!bytes.empty()) {
    const la_ssize_t written = archive_write_data(archive_.get(), bytes.data(), bytes.size());
    if (written <= 0) return Failed();
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return absl::OkStatus();
}

absl::Status TarWriter::AddFile(const std::string& path, std::string_view content) {
  Entry entry;
  entry.path = path;
  entry.size_bytes = content.size();
  RETURN_IF_ERROR(Add(entry));
  return Write(content);
}

absl::Status TarWriter::Finish() {
  return archive_write_close(archive_.get()) == ARCHIVE_OK ? absl::OkStatus() : Failed();
}

absl::Status TarWriter::Failed() const {
  RETURN_IF_ERROR(put_status_);
  return Internal("cannot write a tar archive: {}", ArchiveError(archive_.get()));
}

}  // namespace ember::images
