#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "guest-agent/boot/boot_options.h"
#include "guest-agent/mount_table.h"

// What the kernel tells at boot: its command line and its tables of mounts and file systems.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  for (const ember::agent::VolumeMount& volume :
       ember::agent::ParseKernelCommandLine(text).volumes) {
    EMBER_CHECK(!volume.name.empty());
    EMBER_CHECK(volume.path.size() > 1 && volume.path.front() == '/');
  }
  const auto mounts = ember::agent::ParseMountTable(text);
  const auto types = ember::agent::ParseDiskTypes(text);
  EMBER_CHECK(ember::agent::WritableDisks(mounts, types).size() <= mounts.size());
  return 0;
}
