#pragma once

#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "backends/hypervisor/backend.h"
#include "backends/hypervisor/local/local_backend.h"
#include "backends/hypervisor/qemu/qemu_backend.h"
#include "base/event_loop.h"
#include "base/log.h"

namespace ember::hypervisor {

// What the backends of this build are made with.
struct BackendOptions {
  QemuBackend::Options qemu;
  // Nothing: the local backend is refused (--allow-insecure-local was not given).
  std::optional<LocalBackend::Options> local;
};

// The names that MakeBackend knows, the default first.
std::vector<std::string_view> BackendNames();

// The backend of that name. InvalidArgument for an unknown name, PermissionDenied for "local"
// without its options. `io` outlives the backend and its machines.
absl::StatusOr<std::unique_ptr<Backend>> MakeBackend(std::string_view name, BackendOptions options,
                                                     EventLoop& io, Log log);

}  // namespace ember::hypervisor
