#include "backends/images/oci/layer_stream.h"

#include <cerrno>

#include "base/size.h"
#include "base/status.h"
#include "base/status_macros.h"

namespace ember::images {
namespace {

constexpr size_t kReadSize = size_t{1} << 18;
// tar fills its last record up; 10 KiB is usual.
constexpr uint64_t kMostPadding = 16 * kMiB;

}  // namespace

absl::StatusOr<std::unique_ptr<LayerStream>> LayerStream::Open(const std::filesystem::path& blob,
                                                               std::string name) {
  ArchiveReadHandle reader(archive_read_new());
  archive_read_support_filter_gzip(reader.get());
  archive_read_support_filter_zstd(reader.get());
  archive_read_support_format_raw(reader.get());
  // An empty blob is no layer, but it is for whoever reads the archive to say so.
  archive_read_support_format_empty(reader.get());
  std::unique_ptr<LayerStream> stream(new LayerStream(std::move(name), std::move(reader)));
  struct archive_entry* entry = nullptr;
  if (archive_read_open_filename(stream->reader_.get(), blob.c_str(), kReadSize) != ARCHIVE_OK ||
      archive_read_next_header(stream->reader_.get(), &entry) < ARCHIVE_WARN) {
    return stream->Failed();
  }
  return stream;
}

absl::StatusOr<std::string_view> LayerStream::Next() {
  const void* bytes = nullptr;
  size_t size = 0;
  la_int64_t offset = 0;
  do {
    const int result = archive_read_data_block(reader_.get(), &bytes, &size, &offset);
    if (result == ARCHIVE_EOF) return std::string_view();
    if (result != ARCHIVE_OK && result != ARCHIVE_WARN) return Failed();
  } while (size == 0);
  const std::string_view piece(static_cast<const char*>(bytes), size);
  sha_.Add(piece);
  return piece;
}

uint64_t LayerStream::bytes_read() const {
  return static_cast<uint64_t>(std::max<la_int64_t>(0, archive_filter_bytes(reader_.get(), -1)));
}

absl::Status LayerStream::Verify(const std::string& diff_id) {
  uint64_t left = 0;
  while (true) {
    ASSIGN_OR_RETURN(const std::string_view piece, Next());
    if (piece.empty()) break;
    left += piece.size();
    if (left > kMostPadding) {
      return InvalidArgument("{} goes on for more than {} behind its end", name_,
                             FormatSize(kMostPadding));
    }
  }
  const std::string actual = sha_.Finish();
  if (actual == diff_id) return absl::OkStatus();
  return DataLoss("{} is not what its image says: unpacked, its digest should be {} and is {}",
                  name_, diff_id, actual);
}

absl::Status LayerStream::Failed() const {
  const int error = archive_errno(reader_.get());
  if (error == ENOENT || error == EACCES || error == EISDIR) return ErrnoStatus(error, name_);
  return InvalidArgument("{} cannot be unpacked: {}", name_, ArchiveError(reader_.get()));
}

}  // namespace ember::images
