#include <cstddef>
#include <cstdint>
#include <string_view>

#include "backends/images/kernel_config.h"
#include "backends/images/kernel_image.h"
#include "backends/images/kernel_modules.h"
#include "base/check.h"

// A file that somebody calls a kernel, a kernel's configuration or a module: it is understood or
// refused.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  const std::string_view file(reinterpret_cast<const char*>(bytes), size);
  const auto kernel = ember::images::ParseKernel(file);
  if (kernel.ok()) EMBER_CHECK(!kernel->release.empty());
  const auto config = ember::images::KernelConfig::Parse(file);
  EMBER_CHECK(config.Get("") == ember::images::KernelConfig::Choice::kNo ||
              file.find("CONFIG_=") != file.npos);
  const auto module = ember::images::ReadModuleFacts(file);
  if (module.ok()) {
    for (const std::string& name : module->depends) EMBER_CHECK(!name.empty());
  }
  return 0;
}
