#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "backends/images/kernel_config.h"
#include "backends/images/kernel_image.h"
#include "backends/images/kernel_modules.h"

// What a kernel can drive of the devices that Ember gives to its VMs, and so which backends can
// boot it.
namespace ember::images {

enum class DriverPlace {
  kUnknown,  // neither modules.builtin nor an embedded configuration tells
  kAbsent,
  kBuiltIn,
  kModule,  // in the initramfs
};

struct KernelDriver {
  std::string name;  // of the module: "virtio_blk"
  DriverPlace place = DriverPlace::kUnknown;

  friend bool operator==(const KernelDriver&, const KernelDriver&) = default;
};

// "built-in", "module", "absent", "unknown", and back (anything else is unknown).
std::string_view DriverPlaceName(DriverPlace place);
DriverPlace DriverPlaceOf(std::string_view name);

// Where each driver is that Ember's devices need, in a fixed order. `modules`: what was collected;
// nothing when there is no folder of modules. What neither that nor `config` tells is unknown.
std::vector<KernelDriver> SurveyDrivers(const std::optional<CollectedModules>& modules,
                                        const std::optional<KernelConfig>& config);

// One line for each backend that can't boot such a kernel: "firecracker: no driver 'virtio_mmio'".
// A driver of which nothing is known is taken to be there.
std::vector<std::string> MissingFor(KernelFormat format, const std::vector<KernelDriver>& drivers);

// FailedPrecondition, naming what is missing and what to do, when no backend on this host can boot
// such a kernel. `modules_dir` is named in the error; empty: none was given.
absl::Status CheckBootsHere(KernelFormat format, const std::vector<KernelDriver>& drivers,
                            const std::string& modules_dir);

}  // namespace ember::images
