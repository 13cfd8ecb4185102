#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backends/hypervisor/machine_spec.h"
#include "base/cancellation.h"
#include "base/reply.h"
#include "base/subprocess.h"
#include "base/unique_fd.h"

// The seam between the daemon and whatever runs machines. Capabilities are data: nothing here
// answers "unsupported", and the core never asks which backend it talks to.
namespace ember::hypervisor {

struct Capabilities {
  bool isolated = true;  // a real VM; false: a plain child process (local)
  bool needs_kernel =
      true;  // boots a kernel and a disk; false: spec.kernel and spec.disks are ignored
  bool reserves_memory = true;  // spec.memory_mib is taken from the host; false: it is ignored
  bool pause = false;           // Pause and Resume work
  bool qcow2_disks = false;     // else raw only
  bool live_disks = false;      // SwitchDisk, ActiveDisk and ResizeDisk work
};

// Whether a backend can run machines here and now.
struct ProbeResult {
  bool usable = false;
  std::string accelerator;  // "kvm" or "tcg" where usable
  std::string finding;      // one line: why, or why not
  std::string remedy;       // what to type; empty when there is nothing to do
};

// How a machine ended.
struct ExitReport {
  ExitStatus exit;
  std::string last_words;  // the end of its stderr or log; may be empty
};

enum class PowerOff {
  kPolite,  // ask as hardware would (ACPI power button)
  kKill,    // end the process at once
};

// A running instance in a backend. Thread-safe. Destroying it lets go of the machine without ending
// it: a machine ends only by Stop or by itself.
class Machine {
 public:
  virtual ~Machine() = default;

  // All that recovery needs; does not change during the machine's life.
  virtual const MachineHandle& handle() const = 0;

  // Connects to `port` of the guest and answers with a connected, non-blocking stream socket; every
  // handshake of the backend is done by then. One attempt: Unavailable when nobody listens there
  // (yet), DeadlineExceeded after `attempt`. Never blocks; the answer comes on the io loop that the
  // backend was made with.
  virtual void Dial(uint32_t port, absl::Duration attempt, Reply<UniqueFd> reply) = 0;

  // Asks the machine to power off, or ends it. kPolite returns when the request is delivered; kKill
  // returns when every process of the machine is gone and what it left in its directory (sockets)
  // is removed. Blocks within `cancellation`. OK when it has ended already.
  virtual absl::Status Stop(PowerOff how, const Cancellation& cancellation) = 0;

  // Waits until the hypervisor process has ended. Blocks within `cancellation`.
  virtual absl::StatusOr<ExitReport> WaitForExit(const Cancellation& cancellation) = 0;

  // Freezes and thaws the vCPUs; only where Capabilities::pause. Block within `cancellation`.
  virtual absl::Status Pause(const Cancellation& cancellation) = 0;
  virtual absl::Status Resume(const Cancellation& cancellation) = 0;

  // Changes of the disks under the running guest, which goes on; only where
  // Capabilities::live_disks. Block within `cancellation`.
  //
  // From now on the guest writes its root disk to `overlay`, an empty qcow2 file of the same size,
  // which lies over the disk that was in use; that one is only read. After an error the old disk is
  // still in use, except that a conversation which breaks off (Unavailable, DeadlineExceeded,
  // Cancelled) leaves it open: ActiveDisk tells.
  virtual absl::Status SwitchDisk(const DiskSpec& overlay, const Cancellation& cancellation) = 0;
  // The file that the guest writes its root disk to.
  virtual absl::StatusOr<std::filesystem::path> ActiveDisk(const Cancellation& cancellation) = 0;
  // Makes the disk at `position` of MachineSpec::disks `bytes` large, file and all, never smaller
  // than it is: InvalidArgument.
  virtual absl::Status ResizeDisk(size_t position, uint64_t bytes,
                                  const Cancellation& cancellation) = 0;

  // Calls `ended` once, on the io loop, when the hypervisor process ends, also when that happened
  // before this call. At most one call per machine; never called after the machine was destroyed.
  virtual void OnExit(std::function<void(ExitReport)> ended) = 0;
};

// One kind of hypervisor. Thread-safe.
class Backend {
 public:
  virtual ~Backend() = default;

  virtual std::string_view name() const = 0;
  virtual const Capabilities& capabilities() const = 0;

  // May take some seconds the first time in a boot of the host. Blocks within `cancellation`.
  virtual ProbeResult Probe(const Cancellation& cancellation) = 0;

  // Starts a machine: returns when it runs (not when its agent answers). After a failure or a
  // cancellation no process, socket or file of it is left in spec.dir beyond its logs, and the
  // error quotes what the hypervisor said. Blocks within `cancellation`.
  virtual absl::StatusOr<std::unique_ptr<Machine>> Launch(const MachineSpec& spec,
                                                          const Cancellation& cancellation) = 0;

  // Takes hold of a machine that an earlier daemon launched. NotFound when it is gone or its pid
  // belongs to another process. Never ends anything. Blocks within `cancellation`.
  virtual absl::StatusOr<std::unique_ptr<Machine>> Adopt(const MachineHandle& handle,
                                                         const Cancellation& cancellation) = 0;

  // Ends every process that carries this installation's and machine's tags (process_tags.h) and
  // removes its sockets in `dir`: what recovery does about a machine whose launch was cut off. OK
  // when there is none. Blocks within `cancellation`.
  virtual absl::Status Reap(const MachineHandle& handle, const Cancellation& cancellation) = 0;
};

}  // namespace ember::hypervisor
