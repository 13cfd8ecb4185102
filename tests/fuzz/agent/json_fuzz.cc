#include <cstddef>
#include <cstdint>
#include <string>

#include "base/check.h"
#include "guest-agent/json/line_reader.h"
#include "guest-agent/json/request.h"

namespace {

constexpr size_t kLineLimit = 4096;

void UseRequest(std::string_view line) {
  const auto request = ember::agent::ParseRequest(line);
  if (!request.ok()) return;
  (void)ember::agent::OpOf(*request);
  (void)ember::agent::RequiredString(*request, "command");
  (void)ember::agent::OptionalStrings(*request, "env");
}

}  // namespace

// Lines as a client may send them, cut where the first byte says, each read as a request.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  if (size == 0) return 0;
  const std::string_view stream(reinterpret_cast<const char*>(bytes) + 1, size - 1);
  const size_t step = size_t{bytes[0]} + 1;
  ember::agent::LineReader reader(kLineLimit);
  for (size_t at = 0; at < stream.size(); at += step) {
    reader.Append(stream.substr(at, step));
    while (true) {
      const auto line = reader.Next();
      if (!line.ok()) return 0;
      if (!line->has_value()) break;
      EMBER_CHECK((*line)->size() <= kLineLimit && (*line)->find('\n') == std::string_view::npos);
      UseRequest(**line);
    }
  }
  return 0;
}
