#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "backends/images/byte_stream.h"
#include "backends/images/entry_source.h"

namespace ember::images {

// Starts reading a tar archive (ustar, GNU or pax; plain or compressed with gzip, xz, zstd, bzip2
// or lz4). InvalidArgument, naming the file, when it is none.
absl::StatusOr<std::unique_ptr<EntrySource>> OpenArchiveSource(const std::filesystem::path& path);

// The same for a tar archive, not compressed, whose bytes come from a stream; `name` stands for it
// in errors. What follows the archive's end in the stream is not read. An archive without entries
// is fine here: layers are made that change nothing. An error of the stream comes back as it is.
absl::StatusOr<std::unique_ptr<EntrySource>> OpenArchiveStream(std::unique_ptr<ByteStream> stream,
                                                               std::string name);

// How many bytes the archive has when unpacked, if that can be told without reading all of it (not
// compressed, or gzip, which says so at its end); a wrong gzip trailer makes this wrong.
std::optional<uint64_t> UnpackedSize(const std::filesystem::path& path);

}  // namespace ember::images
