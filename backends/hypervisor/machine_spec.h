#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/subprocess.h"

namespace ember::hypervisor {

enum class DiskFormat { kRaw, kQcow2 };

struct DiskSpec {
  std::filesystem::path path;
  DiskFormat format = DiskFormat::kRaw;
  bool read_only = false;
  std::string serial;  // that the guest sees, at most 20 characters; empty: none

  friend bool operator==(const DiskSpec&, const DiskSpec&) = default;
};

// Everything a backend needs to start one machine. A value; the first disk holds the root
// filesystem.
struct MachineSpec {
  std::string installation_id;  // UUID of the state directory; tags every process
  std::string machine_id;       // UUID of this start; tags every process
  std::string vm_name;          // becomes the guest's host name
  std::filesystem::path
      dir;  // the VM's own directory, mode 0700; every file and socket of the machine lies in it
  std::filesystem::path
      guest_socket_prefix;          // guest connections to CID 2 port P arrive at <prefix>_<P>
  std::filesystem::path kernel;     // uncompressed kernel image
  std::filesystem::path initramfs;  // ember initramfs
  std::vector<DiskSpec> disks;
  uint32_t vcpus = 1;
  uint32_t memory_mib = 512;
  uint32_t guest_cid = 0;                // 3 to 0xFFFFFFFE
  std::vector<std::string> kernel_args;  // appended to what the backend needs itself
};

// What the daemon stores of a running machine: enough to find and adopt it again after a restart of
// the daemon.
struct MachineHandle {
  std::string backend;
  std::string installation_id;
  std::string machine_id;
  std::string vm_name;
  std::filesystem::path dir;
  std::filesystem::path guest_socket_prefix;
  uint32_t guest_cid = 0;
  ProcessIdentity process;  // the hypervisor's own
  std::vector<ProcessIdentity>
      companions;           // further processes of the machine, e.g. its vsock device
  std::string accelerator;  // "kvm", "tcg", "none"

  friend bool operator==(const MachineHandle&, const MachineHandle&) = default;
};

}  // namespace ember::hypervisor
