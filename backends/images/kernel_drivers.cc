#include "backends/images/kernel_drivers.h"

#include <algorithm>
#include <array>

#include "absl/strings/str_join.h"
#include "base/status.h"

namespace ember::images {
namespace {

struct Driver {
  std::string_view module;
  std::string_view symbol;  // of the kernel's configuration, without "CONFIG_"
};

constexpr auto kDrivers = std::to_array<Driver>({
    {"virtio_pci", "VIRTIO_PCI"},
    {"virtio_mmio", "VIRTIO_MMIO"},
    {"virtio_blk", "VIRTIO_BLK"},
    {"ext4", "EXT4_FS"},
    {"vmw_vsock_virtio_transport", "VIRTIO_VSOCKETS"},
    {"virtio_net", "VIRTIO_NET"},
    {"virtio_rng", "HW_RANDOM_VIRTIO"},
});

// Without these no VM reaches its root filesystem or is reached by the daemon.
constexpr std::string_view kEssential[] = {"virtio_blk", "ext4", "vmw_vsock_virtio_transport"};

// What a backend's machines ask of a kernel beside the essential drivers.
struct BackendNeeds {
  std::string_view backend;
  std::string_view transport;
  bool elf_on_x86;  // takes no bzImage
};

constexpr BackendNeeds kQemu = {"qemu", "virtio_pci", false};
constexpr BackendNeeds kFirecracker = {"firecracker", "virtio_mmio", true};

constexpr std::pair<DriverPlace, std::string_view> kPlaceNames[] = {
    {DriverPlace::kUnknown, "unknown"},
    {DriverPlace::kAbsent, "absent"},
    {DriverPlace::kBuiltIn, "built-in"},
    {DriverPlace::kModule, "module"},
};

DriverPlace PlaceOf(const Driver& driver, const std::optional<CollectedModules>& modules,
                    const std::optional<KernelConfig>& config) {
  if (modules.has_value()) {
    const bool collected =
        std::any_of(modules->modules.begin(), modules->modules.end(),
                    [&](const KernelModule& module) { return module.name == driver.module; });
    if (collected) return DriverPlace::kModule;
    if (modules->builtin.contains(std::string(driver.module))) return DriverPlace::kBuiltIn;
  }
  if (config.has_value()) {
    // A module of which there is no file is of no use.
    const bool built_in = config->Get(driver.symbol) == KernelConfig::Choice::kBuiltIn;
    return built_in ? DriverPlace::kBuiltIn : DriverPlace::kAbsent;
  }
  const bool complete = modules.has_value() && modules->builtin_known;
  return complete ? DriverPlace::kAbsent : DriverPlace::kUnknown;
}

bool IsAbsent(const std::vector<KernelDriver>& drivers, std::string_view name) {
  return std::any_of(drivers.begin(), drivers.end(), [name](const KernelDriver& driver) {
    return driver.name == name && driver.place == DriverPlace::kAbsent;
  });
}

// What this backend misses, as the end of a sentence; empty: nothing.
std::vector<std::string> Misses(const BackendNeeds& needs, KernelFormat format,
                                const std::vector<KernelDriver>& drivers) {
  std::vector<std::string> misses;
  if (needs.elf_on_x86 && format == KernelFormat::kBzImage) {
    misses.emplace_back("uncompressed kernel (this bzImage holds none with a PVH entry)");
  }
  for (const std::string_view name :
       {needs.transport, kEssential[0], kEssential[1], kEssential[2]}) {
    if (IsAbsent(drivers, name)) misses.push_back(fmt::format("driver '{}'", name));
  }
  return misses;
}

}  // namespace

std::string_view DriverPlaceName(DriverPlace place) {
  return std::find_if(std::begin(kPlaceNames), std::end(kPlaceNames),
                      [place](const auto& row) { return row.first == place; })
      ->second;
}

DriverPlace DriverPlaceOf(std::string_view name) {
  for (const auto& [place, text] : kPlaceNames) {
    if (text == name) return place;
  }
  return DriverPlace::kUnknown;
}

std::vector<KernelDriver> SurveyDrivers(const std::optional<CollectedModules>& modules,
                                        const std::optional<KernelConfig>& config) {
  std::vector<KernelDriver> drivers;
  for (const Driver& driver : kDrivers) {
    drivers.push_back({std::string(driver.module), PlaceOf(driver, modules, config)});
  }
  return drivers;
}

std::vector<std::string> MissingFor(KernelFormat format, const std::vector<KernelDriver>& drivers) {
  std::vector<std::string> lines;
  for (const BackendNeeds& needs : {kQemu, kFirecracker}) {
    const auto misses = Misses(needs, format, drivers);
    if (misses.empty()) continue;
    lines.push_back(fmt::format("{}: no {}", needs.backend, absl::StrJoin(misses, ", no ")));
  }
  return lines;
}

absl::Status CheckBootsHere(KernelFormat format, const std::vector<KernelDriver>& drivers,
                            const std::string& modules_dir) {
  // The other backends come and go; qemu is the one that runs everywhere.
  const auto misses = Misses(kQemu, format, drivers);
  if (misses.empty()) return absl::OkStatus();
  const std::string where = modules_dir.empty() ? "not built in, and there is no folder of modules"
                                                : "neither built in nor a module in " + modules_dir;
  return WithHint(
      FailedPrecondition("the kernel has no {}, without which no VM starts here: {}",
                         absl::StrJoin(misses, ", no "), where),
      modules_dir.empty()
          ? "name its modules with '--modules DIR' (lib/modules/VERSION), or build the drivers in"
          : "add Debian's kernel with 'ember kernel add debian', or build the drivers in");
}

}  // namespace ember::images
