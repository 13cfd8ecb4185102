#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/tree/entry.h"

namespace ember::tree {

// Gathers a byte stream into pieces of at most kPiece bytes. Files are read straight into the piece
// that is sent, and small ones share it. Not thread-safe.
class PieceWriter {
 public:
  // Sends one piece and may take its memory by swapping it away. An error ends the stream.
  using Send = absl::AnyInvocable<absl::Status(std::string& piece)>;

  explicit PieceWriter(Send send) : send_(std::move(send)) {}

  absl::Status Write(std::string_view bytes);
  absl::Status WriteZeros(uint64_t count);

  // Where the next bytes go: at least `least` of them (1 to kPiece), all that the piece has room
  // for. Valid until the next call.
  absl::StatusOr<std::span<char>> Room(size_t least);
  // So many bytes at the start of the room are filled.
  void Commit(size_t count) { filled_ += count; }

  // Sends what is gathered.
  absl::Status Flush();

 private:
  Send send_;
  std::string piece_;
  size_t filled_ = 0;
};

}  // namespace ember::tree
