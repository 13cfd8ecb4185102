#include "backends/images/decompress.h"

#include "backends/images/archive_handle.h"
#include "base/status.h"

namespace ember::images {

absl::StatusOr<std::string> Decompress(std::string_view stream, uint64_t max_bytes) {
  ArchiveReadHandle reader(archive_read_new());
  archive_read_support_filter_all(reader.get());
  archive_read_support_format_raw(reader.get());
  struct archive_entry* entry = nullptr;
  if (archive_read_open_memory(reader.get(), stream.data(), stream.size()) != ARCHIVE_OK ||
      archive_read_next_header(reader.get(), &entry) != ARCHIVE_OK) {
    return InvalidArgument("cannot decompress: {}", ArchiveError(reader.get()));
  }
  if (archive_filter_code(reader.get(), 0) == ARCHIVE_FILTER_NONE) {
    return InvalidArgument("not compressed with gzip, xz, zstd, bzip2, lzma or lz4");
  }
  std::string content;
  while (true) {
    const void* block = nullptr;
    size_t size = 0;
    la_int64_t offset = 0;
    const int result = archive_read_data_block(reader.get(), &block, &size, &offset);
    if (result == ARCHIVE_EOF) return content;
    if (result != ARCHIVE_OK) {
      return InvalidArgument("cannot decompress: {}", ArchiveError(reader.get()));
    }
    if (content.size() + size > max_bytes) {
      return ResourceExhausted("more than {} bytes after decompression", max_bytes);
    }
    content.append(static_cast<const char*>(block), size);
  }
}

}  // namespace ember::images
