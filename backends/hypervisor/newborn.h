#pragma once

#include <optional>
#include <utility>

#include "base/subprocess.h"

namespace ember::hypervisor {

// A process that was just started for a machine that is not whole yet: destroyed before Release, it
// is killed and reaped. Not thread-safe.
class Newborn {
 public:
  explicit Newborn(Process process) : process_(std::move(process)) {}
  Newborn(Newborn&& other) noexcept : process_(std::exchange(other.process_, std::nullopt)) {}
  Newborn& operator=(Newborn&&) = delete;
  ~Newborn();

  Process& process() { return *process_; }
  // Hands the process on, alive. Nothing else may be called afterwards.
  Process Release() { return *std::exchange(process_, std::nullopt); }

 private:
  std::optional<Process> process_;
};

}  // namespace ember::hypervisor
