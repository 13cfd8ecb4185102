#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/tree/entry.h"

// The 512-byte header blocks of tar: POSIX's ustar, with pax extended headers before them for what
// does not fit in; GNU's variant is read too.
namespace ember::tree {

inline constexpr size_t kBlock = 512;

// How many bytes fill the last block of `size` bytes.
constexpr size_t PaddingOf(uint64_t size) { return (kBlock - size % kBlock) % kBlock; }

// Values that pax records give, in the place of what the header block says.
struct PaxValues {
  std::optional<std::string> name;
  std::optional<std::string> target;
  std::optional<uint64_t> size;
  std::optional<uint64_t> uid;
  std::optional<uint64_t> gid;
  std::optional<FileTime> modified;
  bool sparse = false;                  // GNU.sparse 1.0
  std::optional<uint64_t> sparse_size;  // with its holes
  bool continued = false;
};

// Adds the records of one extended header. InvalidArgument for malformed ones and for sparse
// formats other than 1.0; unknown keys are passed over.
absl::Status ReadPaxRecords(std::string_view body, PaxValues& values);

// A header block as it stands.
struct TarHeader {
  char type = 0;
  Entry entry;  // `size` is that of the stored content
  uint64_t stored_size = 0;
};

// InvalidArgument for a block that is no tar header.
absl::StatusOr<TarHeader> ParseTarHeader(std::string_view block);

// The blocks that introduce `entry`. `stored_size`: bytes that follow, which for a sparse file
// (`sparse`) are its map and its extents.
enum class Storage { kPlain, kSparse };
void AppendTarHeader(const Entry& entry, Storage storage, uint64_t stored_size, std::string& out);

// The two empty blocks that end a stream.
inline std::string_view TarEnd() {
  static constexpr char kZeros[2 * kBlock] = {};
  return {kZeros, sizeof kZeros};
}

}  // namespace ember::tree
