#include "base/frame.h"
#include "guest-agent/client_stream.h"
#include "guest-agent/json/line_reader.h"
#include "tests/support/status_matchers.h"

using namespace ember;
using namespace ember::agent;
using ember::testing::ValueOf;

namespace {

std::string Framed(const v1::ClientFrame& frame) {
  std::string bytes;
  AppendFrame(frame.SerializeAsString(), bytes);
  return bytes;
}

std::string Hello(uint32_t major) {
  v1::ClientFrame frame;
  frame.mutable_hello()->mutable_version()->set_major(major);
  return Framed(frame);
}

}  // namespace

TEST_CASE("frames come out whole, however the bytes arrive", "[agent][stream]") {
  ClientStream stream;
  v1::ClientFrame start;
  start.mutable_exec_start()->add_argv("true");
  const std::string bytes = Hello(1) + Framed(start);
  int frames = 0;
  for (const char byte : bytes) {
    stream.Append({&byte, 1});
    if (ValueOf(stream.Next()).has_value()) ++frames;
  }
  CHECK(frames == 2);
}

TEST_CASE("a frame of a kind from the future is passed over", "[agent][stream]") {
  ClientStream stream;
  std::string unknown;
  AppendFrame(std::string("\xa2\x06\x01x", 4), unknown);  // field 100
  stream.Append(Hello(1) + unknown);
  CHECK(ValueOf(stream.Next()).has_value());
  CHECK_FALSE(ValueOf(stream.Next()).has_value());
}

TEST_CASE("only the known major version is let in", "[agent][stream]") {
  for (const uint32_t major : {0U, 2U, 4000U}) {
    ClientStream stream;
    stream.Append(Hello(major));
    CHECK(absl::IsUnimplemented(stream.Next().status()));
  }
}

TEST_CASE("lines come out whole and in order", "[agent][stream]") {
  LineReader reader(8);
  reader.Append("one\ntw");
  CHECK(ValueOf(reader.Next()) == "one");
  CHECK_FALSE(ValueOf(reader.Next()).has_value());
  reader.Append("o\n\n12345678\n");
  CHECK(ValueOf(reader.Next()) == "two");
  CHECK(ValueOf(reader.Next()) == "");
  CHECK(ValueOf(reader.Next()) == "12345678");
}

TEST_CASE("a line over the limit is refused with and without its end", "[agent][stream]") {
  LineReader unfinished(8);
  unfinished.Append("123456789");
  CHECK(absl::IsResourceExhausted(unfinished.Next().status()));
  LineReader finished(8);
  finished.Append("123456789\nok\n");
  CHECK(absl::IsResourceExhausted(finished.Next().status()));
  CHECK(absl::IsResourceExhausted(finished.Next().status()));
}
