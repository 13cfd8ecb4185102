#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "base/status.h"
#include "state/subnet.h"

// A subnet that is taken is written as it came, and all its addresses lie in it; any other text is
// refused with a hint.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  const auto subnet = ember::state::Subnet::Parse(text);
  if (!subnet.ok()) {
    EMBER_CHECK(ember::HintOf(subnet.status()).has_value());
    return 0;
  }
  EMBER_CHECK(subnet->ToString() == text);
  EMBER_CHECK(text.starts_with(subnet->NetworkAddress(0) + "/"));
  EMBER_CHECK(subnet->blocks() >= 1);
  EMBER_CHECK(subnet->GuestAddress(subnet->blocks() - 1) != subnet->NetworkAddress(0));
  return 0;
}
