#include <cstddef>
#include <cstdint>
#include <string>

#include "base/check.h"
#include "base/frame.h"

// A stream that is cut at any place gives the same frames, and what they hold gives the same stream
// again. The first byte says where it is cut.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  if (size == 0) return 0;
  const std::string_view stream(reinterpret_cast<const char*>(bytes) + 1, size - 1);
  const size_t step = size_t{bytes[0]} + 1;
  ember::FrameReader reader;
  std::string again;
  for (size_t at = 0; at < stream.size(); at += step) {
    reader.Append(stream.substr(at, step));
    while (true) {
      const auto frame = reader.Next();
      if (!frame.ok()) {
        EMBER_CHECK(!reader.Next().ok());
        return 0;
      }
      if (!frame->has_value()) break;
      ember::AppendFrame(**frame, again);
    }
  }
  EMBER_CHECK(stream.substr(0, again.size()) == again);
  EMBER_CHECK(again.size() + reader.buffered() == stream.size());
  return 0;
}
