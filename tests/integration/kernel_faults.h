#pragma once

#include <array>
#include <string_view>

// The fault points of what changes folders alone (base/fault_point.h), which kernel_fault_test.cc
// passes.
namespace ember::testing {

inline constexpr auto kKernelFaults = std::to_array<std::string_view>({
    "kernel-add/complete",
    "kernel-add/commit",
    "kernel-add/committed",
    "kernel-default/write",
    "kernel-default/written",
    "kernel-delete/remove",
    "kernel-delete/removed",
    "prune/remove",
    "prune/removed",
});

}  // namespace ember::testing
