#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/log.h"

namespace ember::agent {

// Who is process 1 once the root is mounted: the image's init if there is one, or the agent.
enum class InitChoice { kAuto, kAgent };

// A data volume: a disk whose serial number is `name`, to be mounted at an absolute path.
struct VolumeMount {
  std::string name;
  std::string path;
  bool read_only = false;

  friend bool operator==(const VolumeMount&, const VolumeMount&) = default;
};

// What the kernel's command line says to the initramfs (docs/agent-protocol.md, "Booting a VM").
struct BootOptions {
  std::string root = "/dev/vda";          // ember.root=
  std::string root_type = "ext4";         // ember.rootfstype=
  std::string root_flags;                 // ember.rootflags=: mount options, separated by ','
  std::string hostname;                   // ember.hostname=; empty: the image's own
  InitChoice choice = InitChoice::kAuto;  // ember.init=auto|agent
  std::string init;                       // init=: the image's init, before the usual places
  LogLevel log_level = LogLevel::kInfo;   // ember.log=

  std::string instance;              // ember.instance=: the VM's id; empty: not known
  std::vector<VolumeMount> volumes;  // ember.mount=NAME:PATH[:ro], each

  friend bool operator==(const BootOptions&, const BootOptions&) = default;
};

// Reads the content of /proc/cmdline. Words that are not ours are passed over, and so are ours with
// a value that makes no sense: a VM that boots with a default can be looked at. Double quotes keep
// blanks together, as in the kernel.
BootOptions ParseKernelCommandLine(std::string_view line);

}  // namespace ember::agent
