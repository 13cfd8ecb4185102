#include "guest-agent/tree_data.h"

#include <cstdint>

#include "ember/agent/v1/agent.pb.h"

namespace ember::agent {
namespace {

// A field's tag: its number and the wire type of what has a length.
constexpr uint32_t TagOf(int field) { return static_cast<uint32_t>(field) << 3 | 2; }

constexpr uint32_t kSentTag = TagOf(v1::AgentFrame::kTreeDataFieldNumber);
constexpr uint32_t kReceivedTag = TagOf(v1::ClientFrame::kTreeDataFieldNumber);
constexpr uint32_t kPayloadTag = TagOf(v1::Bytes::kPayloadFieldNumber);
static_assert(kSentTag < 0x80 && kReceivedTag < 0x80 && kPayloadTag < 0x80, "one byte each");

size_t VarintSize(size_t value) {
  size_t size = 1;
  while (value >>= 7) ++size;
  return size;
}

char* PutVarint(size_t value, char* out) {
  for (; value >= 0x80; value >>= 7) *out++ = static_cast<char>(value | 0x80);
  *out++ = static_cast<char>(value);
  return out;
}

// Takes a field of exactly the rest of `bytes` apart.
bool TakeField(uint32_t tag, std::string_view& bytes) {
  if (bytes.empty() || static_cast<unsigned char>(bytes[0]) != tag) return false;
  uint64_t size = 0;
  size_t at = 1;
  for (int shift = 0; at < bytes.size() && shift < 35; shift += 7) {
    const auto byte = static_cast<unsigned char>(bytes[at++]);
    size |= uint64_t{byte & 0x7Fu} << shift;
    if (byte < 0x80) {
      bytes.remove_prefix(at);
      return bytes.size() == size;
    }
  }
  return false;
}

}  // namespace

TreeDataHead::TreeDataHead(size_t payload) {
  const size_t inner = 1 + VarintSize(payload) + payload;
  const size_t frame = 1 + VarintSize(inner) + inner;
  char* out = bytes_.data();
  for (int shift = 0; shift < 32; shift += 8) *out++ = static_cast<char>(frame >> shift);
  *out++ = static_cast<char>(kSentTag);
  out = PutVarint(inner, out);
  *out++ = static_cast<char>(kPayloadTag);
  out = PutVarint(payload, out);
  size_ = static_cast<size_t>(out - bytes_.data());
}

std::optional<std::string_view> TreeDataPayload(std::string_view frame) {
  if (!TakeField(kReceivedTag, frame) || !TakeField(kPayloadTag, frame)) return std::nullopt;
  return frame;
}

}  // namespace ember::agent
