#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

#include "guest-agent/execution.h"

namespace ember::agent {

// The last output of a process, both streams in the order in which they were read. Positions count
// the bytes since its start, so that several readers can keep their place in it. What it holds is
// bounded: `capacity` bytes, and kMostRuns changes between the streams. A value.
class OutputRing {
 public:
  // So many changes are kept at most: a process that changes at every byte has fewer bytes kept.
  static constexpr size_t kMostRuns = 16384;

  // `start`: the position of the first byte that will be appended.
  explicit OutputRing(size_t capacity, uint64_t start = 0);

  // Drops the oldest bytes where room is needed.
  void Append(OutputStream stream, std::string_view bytes);

  // The position of the oldest byte that is kept, and the one behind the newest.
  uint64_t begin() const { return begin_; }
  uint64_t end() const { return end_; }

  struct Piece {
    OutputStream stream;
    std::string_view bytes;  // until the next Append
  };
  // At most `most` bytes from `position` on, which lies from begin() to before end(). Not empty.
  Piece Read(uint64_t position, size_t most) const;

 private:
  struct Run {
    uint64_t end;  // position behind it
    OutputStream stream;
  };

  void DropBefore(uint64_t position);
  void Store(std::string_view bytes);

  size_t capacity_;
  uint64_t origin_;  // the position that lies at index 0 of bytes_, modulo capacity_
  uint64_t begin_;
  uint64_t end_;
  std::string bytes_;  // grows up to capacity_, then goes round
  std::deque<Run> runs_;
};

}  // namespace ember::agent
