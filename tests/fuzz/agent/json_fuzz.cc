#include <cstddef>
#include <cstdint>
#include <string>

#include "base/check.h"
#include "guest-agent/json/base64.h"
#include "guest-agent/json/line_reader.h"
#include "guest-agent/json/request.h"

namespace {

using namespace ember::agent;

constexpr size_t kLineLimit = 4096;

// What is read as base64 has one text only.
void UseBase64(const std::string& text) {
  const auto bytes = DecodeBase64(text);
  EMBER_CHECK(!bytes.ok() || EncodeBase64(*bytes) == text);
}

void UseRequest(std::string_view line) {
  const auto request = ParseRequest(line);
  if (!request.ok()) return;
  (void)OpOf(*request);
  (void)RequiredString(*request, "command");
  (void)OptionalStrings(*request, "env");
  (void)RequiredList(*request, "globs");
  (void)OptionalList(*request, "tmp_globs", {});
  (void)OptionalNumber(*request, "quota_bytes", 1);
  (void)OptionalPath(*request, "workspace", "/");
  (void)OptionalString(*request, "name", "");
  const auto path = RequiredPath(*request, "path");
  EMBER_CHECK(!path.ok() || (!path->empty() && path->find('\0') == std::string::npos));
  if (const auto data = RequiredString(*request, "data"); data.ok()) UseBase64(*data);
}

}  // namespace

// Lines as a client may send them, cut where the first byte says, each read as a request.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  if (size == 0) return 0;
  const std::string_view stream(reinterpret_cast<const char*>(bytes) + 1, size - 1);
  UseBase64(std::string(stream));
  const size_t step = size_t{bytes[0]} + 1;
  LineReader reader(kLineLimit);
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
