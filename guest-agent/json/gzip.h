#pragma once

#include <functional>
#include <memory>
#include <string_view>

#include "absl/status/status.h"

struct z_stream_s;

// The gzip format (RFC 1952) as a stream. Neither is thread-safe.
namespace ember::agent {

// Where the bytes go, in pieces of at most 64 KiB. An error ends the stream.
using TakeBytes = std::function<absl::Status(std::string_view)>;

class GzipWriter {
 public:
  explicit GzipWriter(TakeBytes take);
  ~GzipWriter();
  absl::Status Append(std::string_view plain);
  // The end of the stream.
  absl::Status Finish();

 private:
  absl::Status Deflate(int flush);

  const TakeBytes take_;
  const std::unique_ptr<z_stream_s> stream_;
};

class GzipReader {
 public:
  explicit GzipReader(TakeBytes take);
  ~GzipReader();
  // DataLoss for bytes that are not gzip.
  absl::Status Append(std::string_view packed);
  // DataLoss when the stream is cut off.
  absl::Status Finish() const;

 private:
  const TakeBytes take_;
  const std::unique_ptr<z_stream_s> stream_;
  bool ended_ = false;
};

}  // namespace ember::agent
