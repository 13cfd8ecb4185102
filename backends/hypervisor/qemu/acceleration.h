#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backends/hypervisor/qemu/architecture.h"
#include "base/cancellation.h"

namespace ember::hypervisor {

// Which accelerator machines run under, and why.
struct Acceleration {
  std::string accelerator;  // "kvm" or "tcg"
  std::string finding;      // one line
  std::string remedy;       // what would give KVM; may be empty

  friend bool operator==(const Acceleration&, const Acceleration&) = default;
};

// Finds out whether KVM works here. A /dev/kvm that opens proves nothing: some nested hosts run
// firmware and then hang every stock kernel. So a kernel is booted under it, without a root
// filesystem and with `panic=-1`: it works when the kernel comes as far as its panic "no root
// filesystem" and QEMU ends by itself within three seconds. The verdict is kept in a file for this
// boot of the host, this QEMU and this kernel; a file lock makes the first caller the only one that
// tests. Thread-safe.
class AccelerationProbe {
 public:
  struct Options {
    const Architecture* architecture = nullptr;
    std::filesystem::path qemu;
    std::filesystem::path firmware;   // empty: QEMU's own
    std::filesystem::path cache_dir;  // made when missing; empty: nothing is kept
    std::filesystem::path device = "/dev/kvm";
    std::optional<std::string> forced;  // "kvm" or "tcg": no test
  };

  explicit AccelerationProbe(Options options) : options_(std::move(options)) {}

  // `kernel`: what to boot; empty: nothing is tested, and the answer is TCG unless a verdict is
  // there. An answer always comes, also when `cancellation` cuts the test short: TCG works
  // everywhere. Blocks.
  Acceleration Decide(const std::filesystem::path& kernel, const Cancellation& cancellation) const;

 private:
  absl::StatusOr<std::string> CacheKey(const std::filesystem::path& kernel) const;
  std::optional<Acceleration> Cached(const std::string& key) const;
  void Keep(const std::string& key, const Acceleration& verdict) const;
  Acceleration TestOnce(const std::string& key, const std::filesystem::path& kernel,
                        const Cancellation& cancellation) const;
  absl::Status BootUnderKvm(const std::filesystem::path& kernel,
                            const Cancellation& cancellation) const;

  const Options options_;
};

}  // namespace ember::hypervisor
