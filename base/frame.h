#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

// Frames: a 32-bit little-endian length, then so many bytes. The framing of the agent's protocol
// (docs/agent-protocol.md); what is inside is the caller's.
namespace ember {

// The largest payload of a frame, in bytes. A longer length is garbage or an attack: the connection
// ends.
inline constexpr size_t kMaxFrame = 1 << 20;

// Appends `payload` as a frame to `out`. A payload over kMaxFrame is a broken invariant.
void AppendFrame(std::string_view payload, std::string& out);

// Cuts a byte stream back into frames. Holds at most one unfinished frame plus what one Append
// brought. Not thread-safe.
class FrameReader {
 public:
  // Takes the next bytes of the stream.
  void Append(std::string_view bytes);

  // The next whole frame, or nothing when more bytes are needed. The view lives until the next
  // Append or Next. A length over kMaxFrame is DataLoss, now and for ever after.
  absl::StatusOr<std::optional<std::string_view>> Next();

  // Bytes held that no frame was made of yet.
  size_t buffered() const { return buffer_.size() - start_; }

  // Those bytes; they are the caller's from now on.
  std::string TakeRest();

 private:
  std::string buffer_;
  size_t start_ = 0;
};

}  // namespace ember
