#include "base/tree/piece_writer.h"

#include <algorithm>
#include <cstring>

#include "base/status_macros.h"

namespace ember::tree {

absl::Status PieceWriter::Write(std::string_view bytes) {
  while (!bytes.empty()) {
    ASSIGN_OR_RETURN(const std::span<char> room, Room(1));
    const size_t count = std::min(room.size(), bytes.size());
    std::memcpy(room.data(), bytes.data(), count);
    Commit(count);
    bytes.remove_prefix(count);
  }
  return absl::OkStatus();
}

absl::Status PieceWriter::WriteZeros(uint64_t count) {
  while (count > 0) {
    ASSIGN_OR_RETURN(const std::span<char> room, Room(1));
    const size_t zeros = std::min<uint64_t>(room.size(), count);
    std::memset(room.data(), 0, zeros);
    Commit(zeros);
    count -= zeros;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::span<char>> PieceWriter::Room(size_t least) {
  if (kPiece - filled_ < least) RETURN_IF_ERROR(Flush());
  piece_.resize(kPiece);
  return std::span<char>(piece_).subspan(filled_);
}

absl::Status PieceWriter::Flush() {
  if (filled_ == 0) return absl::OkStatus();
  piece_.resize(filled_);
  filled_ = 0;
  return send_(piece_);
}

}  // namespace ember::tree
