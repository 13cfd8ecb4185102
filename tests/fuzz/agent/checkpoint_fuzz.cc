#include <cstddef>
#include <cstdint>
#include <string>

#include "base/check.h"
#include "guest-agent/json/gzip.h"
#include "guest-agent/json/manifest.h"
#include "guest-agent/json/scratch_files.h"

namespace {

using namespace ember::agent;

// What is unpacked may be far larger than the input.
constexpr size_t kMostPlain = size_t{1} << 20;

void UseManifest(std::string_view text) {
  const auto manifest = ParseManifest(text);
  if (!manifest.ok()) return;
  for (const std::string& path : manifest->tmp_files) {
    const auto components = BelowScratchRoot(path);
    EMBER_CHECK(components.ok() && !components->empty());
    for (const std::string& component : *components) {
      EMBER_CHECK(component != ".." && component.find('/') == std::string::npos);
    }
  }
}

void UseArchive(std::string_view packed) {
  size_t plain = 0;
  GzipReader gzip([&plain](std::string_view bytes) {
    plain += bytes.size();
    return plain > kMostPlain ? absl::CancelledError() : absl::OkStatus();
  });
  if (gzip.Append(packed.substr(0, packed.size() / 2)).ok() &&
      gzip.Append(packed.substr(packed.size() / 2)).ok()) {
    (void)gzip.Finish();
  }
}

}  // namespace

// The files of a checkpoint, which others may have made: its manifest and its archive's envelope.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  UseManifest(text);
  UseArchive(text);
  return 0;
}
