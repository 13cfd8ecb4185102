#include <cstddef>
#include <cstdint>
#include <string_view>

#include "backends/images/image_reference.h"
#include "base/check.h"
#include "base/status.h"

// What is taken means the same in both of its forms; what is refused says how to write it.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  const auto reference = ember::images::ParseImageReference(text);
  if (!reference.ok()) {
    EMBER_CHECK(ember::HintOf(reference.status()).has_value());
    return 0;
  }
  const auto familiar = ember::images::ParseImageReference(reference->Familiar());
  const auto full = ember::images::ParseImageReference(reference->Full());
  EMBER_CHECK(familiar.ok() && *familiar == *reference);
  EMBER_CHECK(full.ok() && *full == *reference);
  return 0;
}
