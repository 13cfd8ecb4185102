#include "guest-agent/json/line_reader.h"

#include "base/status.h"

namespace ember::agent {
namespace {

constexpr size_t kKeptCapacity = size_t{1} << 20;

}  // namespace

void LineReader::Append(std::string_view bytes) {
  buffer_.erase(0, start_);
  scanned_ -= start_;
  start_ = 0;
  buffer_.append(bytes);
}

absl::StatusOr<std::optional<std::string_view>> LineReader::Next() {
  // A connection that once carried a huge line does not hold its memory while it waits for another.
  if (start_ == buffer_.size() && buffer_.capacity() > kKeptCapacity) {
    std::string().swap(buffer_);  // an assignment would keep the capacity
    start_ = scanned_ = 0;
  }
  const size_t end = buffer_.find('\n', scanned_);
  const size_t length = (end == std::string::npos ? buffer_.size() : end) - start_;
  if (length > limit_) {
    return ResourceExhausted("a request line is longer than {} bytes", limit_);
  }
  if (end == std::string::npos) {
    scanned_ = buffer_.size();
    return std::nullopt;
  }
  const std::string_view line(buffer_.data() + start_, length);
  start_ = scanned_ = end + 1;
  return line;
}

}  // namespace ember::agent
