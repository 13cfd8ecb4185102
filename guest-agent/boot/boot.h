#pragma once

namespace ember::agent {

// The life of process 1 of a VM (docs/agent-protocol.md, "Booting a VM"): loads the kernel's
// modules, mounts the root disk and moves to it, then either starts the agent and becomes the
// image's init, or stays process 1 and serves. A root that can't be mounted is told on the console
// and the machine turned off. `argv` is handed to the image's init. Does not return.
[[noreturn]] void BootGuest(char** argv);

}  // namespace ember::agent
