#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "base/subprocess.h"
#include "state/follow_up.h"
#include "state/restart_policy.h"
#include "state/subnet.h"
#include "state/vm_state.h"
#include "state/volume.h"

// What is stored of a VM. Plain values; the store makes and changes them.
namespace ember::state {

// What the user asked for, with every default filled in.
struct VmConfig {
  std::string image;
  std::string kernel;
  std::string boot_args;  // appended to the guest kernel's command line; may be empty
  std::string backend;
  uint32_t vcpus = 1;         // at least 1
  uint32_t memory_mib = 512;  // at least 1
  uint64_t disk_bytes = 0;    // as the guest sees it; at most 2^63 - 1
  std::string init = "auto";  // "auto": the image's init where it has one; "agent": emberd
  std::map<std::string, std::string> labels;
  RestartPolicy restart_policy = RestartPolicy::kNo;
  bool autostart = false;             // started whenever the daemon starts and finds it off
  bool remove_when_stopped = false;   // deleted as soon as its machine has ended
  std::optional<absl::Duration> ttl;  // deleted so long after the create; whole seconds, at least 1
  std::vector<VolumeAttachment> volumes;  // in the order of the guest's disks, behind the root's

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
  std::string format;         // "raw", "qcow2"; empty: there is none (yet)
  std::string layer_id = {};  // of the layer that it lies over (disk_layer.h); empty: over an
                              // image, or over nothing

  friend bool operator==(const DiskRow&, const DiskRow&) = default;
};

// When a VM's time to live runs out, in two clocks: within the boot of the host that it was made in
// CLOCK_BOOTTIME decides, which runs on in a suspend and which nobody sets; after that boot the
// wall clock does.
struct Expiry {
  absl::Time at;             // wall clock; microseconds, UTC
  std::string host_boot_id;  // the boot that boottime_ns belongs to (base/file.h)
  int64_t boottime_ns = 0;   // CLOCK_BOOTTIME

  friend bool operator==(const Expiry&, const Expiry&) = default;
};

// The /30 block that a VM has.
struct AddressLease {
  Subnet subnet;
  uint32_t block_index = 0;  // less than subnet.blocks()

  friend bool operator==(const AddressLease&, const AddressLease&) = default;
};

// The image that a VM was made from, as it was then; another image may have its name by now.
struct VmImageRow {
  std::string id;               // "sha256:…", never empty
  std::string config = "{}";    // how it wants its processes to run: JSON, which nobody here reads
  bool run_entrypoint = false;  // what it says is to run is started with every boot

  friend bool operator==(const VmImageRow&, const VmImageRow&) = default;
};

// The VM that another was forked from, as it was then; it may be gone.
struct VmParent {
  std::string id;
  std::string name;

  friend bool operator==(const VmParent&, const VmParent&) = default;
};

struct VmRecord {
  std::string id;        // UUID, for ever this VM's
  std::string name;      // unique among the VMs there are (vm_name.h)
  std::string dir_name;  // of its directory below <state-dir>/vms: `name`, except between
                         // BeginRename and FinishRename
  VmState state = VmState::kCreating;
  std::string state_reason;  // why it failed; empty in every other state
  FollowUp follow_up = FollowUp::kNone;
  VmConfig config;
  std::optional<VmImageRow> image;      // absent: it has none, or none that is known
  uint32_t guest_cid = 0;               // leased with the row, 3 to 0xFFFFFFFE; 0: lost
  std::optional<AddressLease> address;  // leased with the row; absent: lost
  DiskRow disk;
  absl::Time created_at;                 // microseconds, UTC
  std::optional<absl::Time> started_at;  // of the latest machine that ran
  uint32_t boot_retries = 0;             // by the watchdog, since the latest start
  uint32_t restarts = 0;                 // by policy, since the latest start that was asked for
  std::optional<Expiry> expiry;          // absent: it never runs out
  std::optional<MachineRow> machine;     // present from BeginStart to ClearMachine
  std::string request_id;                // of the create; empty: it had none
  std::string request_digest;            // of the create's body; empty without a request id
  uint32_t owner_uid = 0;                // who created it and may use its vsock.sock
  std::optional<VmParent> parent;        // absent: it was made from an image

  friend bool operator==(const VmRecord&, const VmRecord&) = default;
};

// What a create hands to the store.
struct NewVm {
  std::string name;
  VmConfig config;
  std::optional<VmImageRow> image;
  std::optional<Expiry> expiry;  // where config.ttl is set
  std::string request_id;        // empty: no promise of idempotence
  std::string request_digest;
  uint32_t owner_uid = 0;
  std::optional<VmParent> parent = std::nullopt;  // of a fork
  std::vector<NewVolume> new_volumes = {};  // of config.volumes, those that are made with the VM
};

}  // namespace ember::state
