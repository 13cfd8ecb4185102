#include "base/frame.h"

#include <cstdint>
#include <utility>

#include "base/check.h"
#include "base/status.h"

namespace ember {
namespace {

constexpr size_t kHeader = 4;

uint32_t LengthAt(const char* bytes) {
  const auto* raw = reinterpret_cast<const unsigned char*>(bytes);
  return uint32_t{raw[0]} | uint32_t{raw[1]} << 8 | uint32_t{raw[2]} << 16 | uint32_t{raw[3]} << 24;
}

}  // namespace

void AppendFrame(std::string_view payload, std::string& out) {
  EMBER_CHECK(payload.size() <= kMaxFrame);
  const auto length = static_cast<uint32_t>(payload.size());
  for (int shift = 0; shift < 32; shift += 8) out.push_back(static_cast<char>(length >> shift));
  out.append(payload);
}

void FrameReader::Append(std::string_view bytes) {
  buffer_.erase(0, start_);
  start_ = 0;
  buffer_.append(bytes);
}

absl::StatusOr<std::optional<std::string_view>> FrameReader::Next() {
  if (buffered() < kHeader) return std::nullopt;
  const uint32_t length = LengthAt(buffer_.data() + start_);
  if (length > kMaxFrame) {
    return DataLoss("frame of {} bytes is over the limit of {}", length, kMaxFrame);
  }
  if (buffered() < kHeader + length) return std::nullopt;
  const std::string_view payload(buffer_.data() + start_ + kHeader, length);
  start_ += kHeader + length;
  return payload;
}

std::string FrameReader::TakeRest() {
  std::string rest = std::move(buffer_);
  rest.erase(0, std::exchange(start_, 0));
  buffer_.clear();
  return rest;
}

}  // namespace ember
