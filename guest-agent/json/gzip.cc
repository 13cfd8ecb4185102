#include "guest-agent/json/gzip.h"

#include <zlib.h>

#include <array>
#include <utility>

#include "base/check.h"
#include "base/status.h"
#include "base/status_macros.h"

namespace ember::agent {
namespace {

using Piece = std::array<char, 64 << 10>;

constexpr int kGzipWindow = 15 + 16;  // the largest window, in gzip's envelope
constexpr int kMemoryLevel = 8;       // zlib's own default

void SetInput(z_stream& stream, std::string_view bytes) {
  // zlib does not write to it.
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
}

void SetOutput(z_stream& stream, Piece& piece) {
  stream.next_out = reinterpret_cast<Bytef*>(piece.data());
  stream.avail_out = static_cast<uInt>(piece.size());
}

std::string_view Output(const z_stream& stream, const Piece& piece) {
  return {piece.data(), piece.size() - stream.avail_out};
}

}  // namespace

GzipWriter::GzipWriter(TakeBytes take)
    : take_(std::move(take)), stream_(std::make_unique<z_stream>()) {
  // Level 1: a checkpoint is made while somebody waits.
  EMBER_CHECK(deflateInit2(stream_.get(), Z_BEST_SPEED, Z_DEFLATED, kGzipWindow, kMemoryLevel,
                           Z_DEFAULT_STRATEGY) == Z_OK);
}

GzipWriter::~GzipWriter() { deflateEnd(stream_.get()); }

absl::Status GzipWriter::Append(std::string_view plain) {
  SetInput(*stream_, plain);
  return Deflate(Z_NO_FLUSH);
}

absl::Status GzipWriter::Finish() {
  SetInput(*stream_, "");
  return Deflate(Z_FINISH);
}

absl::Status GzipWriter::Deflate(int flush) {
  Piece piece;
  do {
    SetOutput(*stream_, piece);
    EMBER_CHECK(deflate(stream_.get(), flush) != Z_STREAM_ERROR);
    RETURN_IF_ERROR(take_(Output(*stream_, piece)));
  } while (stream_->avail_out == 0);
  return absl::OkStatus();
}

GzipReader::GzipReader(TakeBytes take)
    : take_(std::move(take)), stream_(std::make_unique<z_stream>()) {
  EMBER_CHECK(inflateInit2(stream_.get(), kGzipWindow) == Z_OK);
}

GzipReader::~GzipReader() { inflateEnd(stream_.get()); }

absl::Status GzipReader::Append(std::string_view packed) {
  Piece piece;
  SetInput(*stream_, packed);
  do {
    if (ended_) return DataLoss("there are bytes behind the end of the gzip stream");
    SetOutput(*stream_, piece);
    const int result = inflate(stream_.get(), Z_NO_FLUSH);
    // Z_BUF_ERROR: all of the input is used up.
    if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR) {
      return DataLoss("it is not a gzip stream");
    }
    ended_ = result == Z_STREAM_END;
    RETURN_IF_ERROR(take_(Output(*stream_, piece)));
  } while (stream_->avail_in > 0 || stream_->avail_out == 0);
  return absl::OkStatus();
}

absl::Status GzipReader::Finish() const {
  return ended_ ? absl::OkStatus() : DataLoss("the gzip stream is cut off");
}

}  // namespace ember::agent
