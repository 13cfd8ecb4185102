#include <cstddef>
#include <cstdint>
#include <string_view>

#include "backends/storage/qcow2_overlay.h"
#include "base/check.h"

// Whatever a disk's head says: what is read of it lies within it, and the map that is read next is
// of a size that fits into memory and ends at an offset that a file can have.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  const std::string_view head(reinterpret_cast<const char*>(bytes), size);
  const auto header = ember::storage::ParseQcow2Header(head);
  if (!header.ok()) return 0;
  EMBER_CHECK(header->map_bytes <= uint64_t{32} << 20);
  EMBER_CHECK(header->map_offset <= INT64_MAX - header->map_bytes);
  EMBER_CHECK(header->backing.native().size() <= 1023);
  EMBER_CHECK(header->backing.empty() ||
              head.find(header->backing.native()) != std::string_view::npos);
  return 0;
}
