#include "base/frame.h"

#include <string>

#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace ember {
namespace {

using testing::ValueOf;

std::string Framed(std::string_view payload) {
  std::string bytes;
  AppendFrame(payload, bytes);
  return bytes;
}

TEST_CASE("a frame is its length in four bytes, lowest first, then the payload", "[base][frame]") {
  CHECK(Framed("abc") == std::string("\x03\0\0\0abc", 7));
  CHECK(Framed(std::string(0x10203, 'x')).substr(0, 4) == std::string("\x03\x02\x01\0", 4));
}

TEST_CASE("frames come out as they went in, wherever the stream is cut", "[base][frame]") {
  const std::string big(70'000, 'b');
  const std::string stream = Framed("one") + Framed("") + Framed(big) + Framed("last");
  for (const size_t step : {size_t{1}, size_t{3}, size_t{4096}, stream.size()}) {
    INFO(step);
    FrameReader reader;
    std::vector<std::string> frames;
    for (size_t at = 0; at < stream.size(); at += step) {
      reader.Append(std::string_view(stream).substr(at, step));
      for (auto frame = ValueOf(reader.Next()); frame.has_value(); frame = ValueOf(reader.Next())) {
        frames.emplace_back(*frame);
      }
    }
    CHECK(frames == std::vector<std::string>{"one", "", big, "last"});
    CHECK(reader.buffered() == 0);
  }
}

TEST_CASE("the largest frame passes and one byte more is refused for ever", "[base][frame]") {
  FrameReader reader;
  reader.Append(Framed(std::string(kMaxFrame, 'x')));
  CHECK(ValueOf(reader.Next())->size() == kMaxFrame);
  reader.Append(std::string("\x01\0\x10\0", 4));
  CHECK(reader.Next().status().code() == absl::StatusCode::kDataLoss);
  reader.Append(Framed("good"));
  CHECK(reader.Next().status().code() == absl::StatusCode::kDataLoss);
}

TEST_CASE("a length that looks negative is refused", "[base][frame]") {
  FrameReader reader;
  reader.Append("\xff\xff\xff\xff");
  CHECK(reader.Next().status().code() == absl::StatusCode::kDataLoss);
}

TEST_CASE("an unfinished frame is no frame yet", "[base][frame]") {
  FrameReader reader;
  CHECK(ValueOf(reader.Next()) == std::nullopt);
  reader.Append(Framed("abc").substr(0, 6));
  CHECK(ValueOf(reader.Next()) == std::nullopt);
  CHECK(reader.buffered() == 6);
}

}  // namespace
}  // namespace ember
