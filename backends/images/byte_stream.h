#pragma once

#include <cstdint>
#include <string_view>

#include "absl/status/statusor.h"

namespace ember::images {

// Bytes that come one piece after the other. Not thread-safe.
class ByteStream {
 public:
  virtual ~ByteStream() = default;

  // The next piece, valid until the next call; empty at the end.
  virtual absl::StatusOr<std::string_view> Next() = 0;

  // How much of what the stream is made from has been read, for progress.
  virtual uint64_t bytes_read() const = 0;
};

}  // namespace ember::images
