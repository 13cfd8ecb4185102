#include "guest-agent/output_ring.h"

#include <algorithm>

#include "base/check.h"

namespace ember::agent {

OutputRing::OutputRing(size_t capacity, uint64_t start)
    : capacity_(capacity), origin_(start), begin_(start), end_(start) {}

void OutputRing::Append(OutputStream stream, std::string_view bytes) {
  if (bytes.empty()) return;
  if (bytes.size() > capacity_) {
    end_ += bytes.size() - capacity_;
    bytes.remove_prefix(bytes.size() - capacity_);
    DropBefore(end_);
  }
  if (end_ + bytes.size() - begin_ > capacity_) DropBefore(end_ + bytes.size() - capacity_);
  Store(bytes);
  if (runs_.empty() || runs_.back().stream != stream) runs_.push_back({end_, stream});
  runs_.back().end = end_;
  if (runs_.size() > kMostRuns) DropBefore(runs_.front().end);
}

void OutputRing::DropBefore(uint64_t position) {
  begin_ = position;
  while (!runs_.empty() && runs_.front().end <= begin_) runs_.pop_front();
}

void OutputRing::Store(std::string_view bytes) {
  while (!bytes.empty()) {
    const size_t at = (end_ - origin_) % capacity_;
    const size_t size = std::min(bytes.size(), capacity_ - at);
    if (bytes_.size() < at + size) bytes_.resize(at + size);
    bytes.copy(bytes_.data() + at, size);
    bytes.remove_prefix(size);
    end_ += size;
  }
}

OutputRing::Piece OutputRing::Read(uint64_t position, size_t most) const {
  EMBER_CHECK(position >= begin_ && position < end_);
  const auto run = std::partition_point(runs_.begin(), runs_.end(),
                                        [position](const Run& one) { return one.end <= position; });
  const size_t at = (position - origin_) % capacity_;
  const size_t size = std::min<uint64_t>({most, run->end - position, capacity_ - at});
  return {run->stream, std::string_view(bytes_).substr(at, size)};
}

}  // namespace ember::agent
