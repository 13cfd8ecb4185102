#include "guest-agent/output_ring.h"

#include <random>

#include "tests/support/catch.h"

using namespace ember::agent;

namespace {

// All that is kept from `position` on, as one text per stream change: "1:abc 2:de".
std::string TextFrom(const OutputRing& ring, uint64_t position) {
  std::string text;
  std::optional<OutputStream> last;
  while (position < ring.end()) {
    const auto piece = ring.Read(position, SIZE_MAX);
    if (last != piece.stream) {
      text += text.empty() ? "" : " ";
      text += piece.stream == OutputStream::kOut ? "1:" : "2:";
    }
    last = piece.stream;
    text += piece.bytes;
    position += piece.bytes.size();
  }
  return text;
}
std::string Text(const OutputRing& ring) { return TextFrom(ring, ring.begin()); }

}  // namespace

TEST_CASE("a ring keeps both streams in the order they came", "[agent][ring]") {
  OutputRing ring(16);
  ring.Append(OutputStream::kOut, "ab");
  ring.Append(OutputStream::kOut, "c");
  ring.Append(OutputStream::kErr, "de");
  ring.Append(OutputStream::kOut, "f");
  CHECK(Text(ring) == "1:abc 2:de 1:f");
  CHECK(TextFrom(ring, 4) == "2:e 1:f");
  CHECK(ring.Read(0, 2).bytes == "ab");
}

TEST_CASE("a full ring drops its oldest bytes", "[agent][ring]") {
  OutputRing ring(4);
  ring.Append(OutputStream::kErr, "ab");
  ring.Append(OutputStream::kOut, "cde");
  CHECK(ring.begin() == 1);
  CHECK(ring.end() == 5);
  CHECK(Text(ring) == "2:b 1:cde");
  ring.Append(OutputStream::kOut, "fg");
  CHECK(Text(ring) == "1:defg");
}

TEST_CASE("one piece larger than the ring leaves its end", "[agent][ring]") {
  OutputRing ring(4);
  ring.Append(OutputStream::kErr, "a");
  ring.Append(OutputStream::kOut, "bcdefghij");
  CHECK(ring.begin() == 6);
  CHECK(ring.end() == 10);
  CHECK(Text(ring) == "1:ghij");
}

TEST_CASE("a ring that starts later keeps the positions of before", "[agent][ring]") {
  OutputRing ring(4, 1'000'003);
  ring.Append(OutputStream::kOut, "abcdef");
  CHECK(ring.begin() == 1'000'005);
  CHECK(ring.end() == 1'000'009);
  CHECK(Text(ring) == "1:cdef");
}

TEST_CASE("a stream that changes at every byte is bounded too", "[agent][ring]") {
  OutputRing ring(1 << 20);
  for (size_t i = 0; i < 3 * OutputRing::kMostRuns; ++i) {
    ring.Append(i % 2 == 0 ? OutputStream::kOut : OutputStream::kErr, "x");
  }
  CHECK(ring.end() - ring.begin() == OutputRing::kMostRuns);
}

TEST_CASE("a ring tells the same as keeping everything would", "[agent][ring]") {
  std::mt19937 random(7);
  constexpr size_t kCapacity = 37;
  OutputRing ring(kCapacity);
  std::string bytes;
  std::string streams;
  for (int i = 0; i < 2000; ++i) {
    const std::string piece(random() % 50, static_cast<char>('a' + i % 26));
    const bool err = random() % 2 == 0;
    ring.Append(err ? OutputStream::kErr : OutputStream::kOut, piece);
    bytes += piece;
    streams.append(piece.size(), err ? '2' : '1');
    REQUIRE(ring.end() == bytes.size());
    REQUIRE(ring.begin() == bytes.size() - std::min(bytes.size(), kCapacity));
    for (uint64_t at = ring.begin(); at < ring.end();) {
      const auto read = ring.Read(at, 1 + random() % 20);
      REQUIRE_FALSE(read.bytes.empty());
      REQUIRE(read.bytes == std::string_view(bytes).substr(at, read.bytes.size()));
      const char stream = read.stream == OutputStream::kErr ? '2' : '1';
      REQUIRE(streams.substr(at, read.bytes.size()) == std::string(read.bytes.size(), stream));
      at += read.bytes.size();
    }
  }
}
