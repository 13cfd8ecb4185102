#include "backends/hypervisor/factory.h"

#include "base/status.h"

namespace ember::hypervisor {

std::vector<std::string_view> BackendNames() { return {"qemu", "local"}; }

absl::StatusOr<std::unique_ptr<Backend>> MakeBackend(std::string_view name, BackendOptions options,
                                                     EventLoop& io, Log log) {
  if (name == "qemu") {
    return std::make_unique<QemuBackend>(std::move(options.qemu), io, std::move(log));
  }
  if (name == "local") {
    if (options.local.has_value()) {
      return std::make_unique<LocalBackend>(*std::move(options.local), io, std::move(log));
    }
    return WithHint(PermissionDenied("the backend 'local' isolates nothing: commands in its VMs "
                                     "run on this host"),
                    "start the daemon with --allow-insecure-local, for tests only");
  }
  return WithHint(InvalidArgument("unknown backend '{}'", name),
                  fmt::format("known backends: {}", fmt::join(BackendNames(), ", ")));
}

}  // namespace ember::hypervisor
