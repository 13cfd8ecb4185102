#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace ember::agent {

// The longest request line, in bytes: 64 MiB, and room for the words around so much text.
inline constexpr size_t kMaxLine = (size_t{64} << 20) + (size_t{1} << 20);

// Cuts a byte stream into lines. Holds at most one unfinished line plus what one Append brought.
// Not thread-safe.
class LineReader {
 public:
  explicit LineReader(size_t limit = kMaxLine) : limit_(limit) {}

  void Append(std::string_view bytes);

  // The next line without its '\n', or nothing when more bytes are needed. The view lives until the
  // next Append or Next. A line over the limit is ResourceExhausted, now and for ever after.
  absl::StatusOr<std::optional<std::string_view>> Next();

  // Bytes of memory held: at most 1 MiB once a Next has found everything consumed.
  size_t held() const { return buffer_.capacity(); }

 private:
  const size_t limit_;
  std::string buffer_;
  size_t start_ = 0;    // of the line that is next
  size_t scanned_ = 0;  // up to here there is no '\n' after start_
};

}  // namespace ember::agent
