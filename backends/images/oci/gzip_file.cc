#include "backends/images/oci/gzip_file.h"

#include <archive_entry.h>
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "backends/images/archive_handle.h"
#include "base/status.h"
#include "base/status_macros.h"

namespace ember::images {

absl::StatusOr<std::unique_ptr<GzipFile>> GzipFile::Create(const std::filesystem::path& path) {
  UniqueFd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
  if (!fd.valid()) return ErrnoStatus(errno, path.native());
  std::unique_ptr<GzipFile> file(new GzipFile(path, std::move(fd)));
  file->archive_.reset(archive_write_new());
  struct archive* archive = file->archive_.get();
  archive_write_set_format_raw(archive);
  archive_write_add_filter_gzip(archive);
  // Higher levels take several times as long for a few percent.
  archive_write_set_options(archive, "gzip:!timestamp,gzip:compression-level=3");
  archive_write_set_bytes_in_last_block(archive, 1);
  struct archive_entry* entry = archive_entry_new();
  archive_entry_set_filetype(entry, AE_IFREG);
  const bool opened = archive_write_open(archive, file.get(), nullptr, &GzipFile::PutBytes,
                                         nullptr) == ARCHIVE_OK &&
                      archive_write_header(archive, entry) == ARCHIVE_OK;
  archive_entry_free(entry);
  if (!opened) return file->Failed();
  return file;
}

la_ssize_t GzipFile::PutBytes(struct archive* archive, void* self, const void* bytes, size_t size) {
  auto& file = *static_cast<GzipFile*>(self);
  const ssize_t written = write(file.fd_.get(), bytes, size);
  if (written < 0) {
    file.put_status_ = ErrnoStatus(errno, file.path_.native());
    archive_set_error(archive, errno, "write failed");
    return -1;
  }
  file.sha_.Add({static_cast<const char*>(bytes), static_cast<size_t>(written)});
  file.size_bytes_ += static_cast<uint64_t>(written);
  return written;
}

absl::Status GzipFile::Write(std::string_view bytes) {
  while (!bytes.empty()) {
    const la_ssize_t written = archive_write_data(archive_.get(), bytes.data(), bytes.size());
    if (written <= 0) return Failed();
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return absl::OkStatus();
}

absl::StatusOr<GzipFile::Written> GzipFile::Finish() {
  if (archive_write_close(archive_.get()) != ARCHIVE_OK) return Failed();
  return Written{sha_.Finish(), size_bytes_};
}

absl::Status GzipFile::Failed() const {
  RETURN_IF_ERROR(put_status_);
  return Internal("{}: cannot write: {}", path_.native(), ArchiveError(archive_.get()));
}

}  // namespace ember::images
