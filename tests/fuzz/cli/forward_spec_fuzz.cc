#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "base/status.h"
#include "cli/forward_spec.h"

namespace {

// What the rest of the program relies on: a port or an absolute path without a colon.
void CheckSide(const ember::cli::SocketSpec& side, bool zero_is_fine) {
  EMBER_CHECK(side.path.empty() || side.port == 0);
  EMBER_CHECK(!side.path.empty() || side.port != 0 || zero_is_fine);
  EMBER_CHECK(side.path.empty() || side.path.front() == '/');
  EMBER_CHECK(side.path.find(':') == std::string::npos);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  for (const auto zero : {ember::cli::ZeroPort::kAccepted, ember::cli::ZeroPort::kRefused}) {
    const auto spec = ember::cli::ParseForwardSpec(text, zero);
    if (!spec.ok()) {
      EMBER_CHECK(absl::IsInvalidArgument(spec.status()));
      continue;
    }
    CheckSide(spec->from, zero == ember::cli::ZeroPort::kAccepted);
    CheckSide(spec->to, false);
  }
  return 0;
}
