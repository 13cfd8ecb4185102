#include "backends/vsock/packet.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/check.h"

namespace ember::vsock {

static_assert(std::endian::native == std::endian::little, "headers are used as they lie in memory");

uint64_t TotalBytes(std::span<const iovec> pieces) {
  uint64_t total = 0;
  for (const iovec& piece : pieces) total += piece.iov_len;
  return total;
}

uint64_t AppendSlice(std::span<const iovec> pieces, uint64_t skip, uint64_t limit,
                     std::vector<iovec>& out) {
  uint64_t appended = 0;
  for (const iovec& piece : pieces) {
    if (appended == limit) break;
    const uint64_t start = std::min<uint64_t>(skip, piece.iov_len);
    skip -= start;
    const uint64_t length = std::min<uint64_t>(piece.iov_len - start, limit - appended);
    if (length == 0) continue;
    out.push_back({static_cast<char*>(piece.iov_base) + start, length});
    appended += length;
  }
  return appended;
}

bool SplitPacket(std::span<const iovec> pieces, PacketHeader& header, std::vector<iovec>& payload) {
  // The guest can change the header while we look at it: from here on only this copy counts.
  char* const copy = reinterpret_cast<char*>(&header);
  size_t filled = 0;
  for (const iovec& piece : pieces) {
    const size_t part = std::min(piece.iov_len, sizeof(header) - filled);
    std::memcpy(copy + filled, piece.iov_base, part);
    filled += part;
    if (filled == sizeof(header)) break;
  }
  payload.clear();
  if (filled < sizeof(header)) return false;
  AppendSlice(pieces, sizeof(header), header.length, payload);
  return true;
}

void WriteHeader(const PacketHeader& header, std::span<const iovec> pieces) {
  const char* const bytes = reinterpret_cast<const char*>(&header);
  size_t written = 0;
  for (const iovec& piece : pieces) {
    const size_t part = std::min(piece.iov_len, sizeof(header) - written);
    std::memcpy(piece.iov_base, bytes + written, part);
    written += part;
    if (written == sizeof(header)) return;
  }
  EMBER_CHECK(written == sizeof(header));
}

}  // namespace ember::vsock
