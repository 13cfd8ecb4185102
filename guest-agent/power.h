#pragma once

namespace ember::agent {

enum class PowerMode { kPowerOff, kReboot };

// What a Shutdown request does here. Chosen once, at start, by where the agent runs: as process 1
// of a VM, beside another init in a VM, or as a plain process, which has no code at hand that could
// turn a machine off. Lives on the event loop.
class Power {
 public:
  virtual ~Power() = default;

  // Begins to shut down and returns at once; later calls do nothing.
  virtual void Begin(PowerMode mode) = 0;
};

}  // namespace ember::agent
