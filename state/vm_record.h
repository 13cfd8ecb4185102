#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "base/subprocess.h"
#include "state/vm_state.h"

// What is stored of a VM. Plain values; the store makes and changes them.
namespace ember::state {

// What the user asked for, with every default filled in.
struct VmConfig {
  std::string image;
  std::string kernel;
  std::string backend;
  uint32_t vcpus = 1;         // at least 1
  uint32_t memory_mib = 512;  // at least 1
  uint64_t disk_bytes = 0;    // as the guest sees it; at most 2^63 - 1
  std::string init = "auto";  // "auto": the image's init where it has one; "agent": emberd
  std::map<std::string, std::string> labels;

  friend bool operator==(const VmConfig&, const VmConfig&) = default;
};

// One start of a VM, all that is needed to find its processes again. It exists before they do: with
// pid 0 it is the intent to launch, and a daemon that finds it so after a crash looks for processes
// tagged with machine_id.
struct MachineRow {
  std::string machine_id;    // UUID of this start
  std::string host_boot_id;  // pids and start times mean something only within it (base/file.h)
  std::string backend;
  std::string accelerator;                  // "kvm", "tcg", "none"; empty while not known
  ProcessIdentity process;                  // the hypervisor; pid 0: not launched yet
  std::vector<ProcessIdentity> companions;  // further processes, in the backend's order

  friend bool operator==(const MachineRow&, const MachineRow&) = default;
};

// The root disk of a VM.
struct DiskRow {
  std::string path;
  std::string format;  // "raw", "qcow2"; empty: there is none (yet)

  friend bool operator==(const DiskRow&, const DiskRow&) = default;
};

struct VmRecord {
  std::string id;    // UUID, for ever this VM's
  std::string name;  // unique among the VMs there are (vm_name.h)
  VmState state = VmState::kCreating;
  std::string state_reason;  // why it failed; empty in every other state
  VmConfig config;
  uint32_t guest_cid = 0;  // leased with the row, 3 to 0xFFFFFFFE
  DiskRow disk;
  absl::Time created_at;                 // microseconds, UTC
  std::optional<absl::Time> started_at;  // of the latest machine that ran
  uint32_t boot_retries = 0;             // by the watchdog, since the latest start
  std::optional<MachineRow> machine;     // present from BeginStart to ClearMachine
  std::string request_id;                // of the create; empty: it had none
  std::string request_digest;            // of the create's body; empty without a request id
  uint32_t owner_uid = 0;                // who created it and may use its vsock.sock

  friend bool operator==(const VmRecord&, const VmRecord&) = default;
};

// What a create hands to the store.
struct NewVm {
  std::string name;
  VmConfig config;
  std::string request_id;  // empty: no promise of idempotence
  std::string request_digest;
  uint32_t owner_uid = 0;
};

}  // namespace ember::state
