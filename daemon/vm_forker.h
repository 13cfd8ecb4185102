#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "absl/time/time.h"
#include "base/cancellation.h"
#include "base/reply.h"
#include "daemon/disk_fork.h"
#include "daemon/disk_keeper.h"
#include "daemon/vm_creator.h"
#include "daemon/vm_ledger.h"
#include "daemon/vm_settings.h"
#include "daemon/vm_table.h"
#include "daemon/vm_view.h"

namespace ember::daemon {

// What a caller wants forked. Zero and empty mean: as the source.
struct ForkVmSpec {
  std::string request_id;
  std::string source;
  std::string name;
  uint32_t vcpus = 0;
  uint32_t memory_mib = 0;
  uint64_t disk_bytes = 0;  // never less than the source's
  std::map<std::string, std::string> labels;
  bool start = true;
  absl::Duration agent_wait = kDefaultAgentWait;
  uint32_t owner_uid = 0;

  // As CreateVmSpec::Digest.
  std::string Digest() const;
};

// A VM that was forked.
struct ForkedVm {
  VmView vm;
  std::optional<absl::Duration> frozen;  // how long its source stood still; absent: not at all
  bool full_copy = false;                // it shares no blocks with its source
};

// `vm fork`: a create whose disk comes from another VM. Of that VM it has the configuration, but
// not its time to live, its autostart or its end with the machine, which are about that one VM, and
// not its data volumes, which only one VM can have. Everything that a create promises holds here
// too; the source is as it was, whatever fails. Lives on `host`.
class VmForker {
 public:
  VmForker(VmLedger& ledger, VmCreator& creator, DiskKeeper& keeper, VmTable& vms, VmLimits limits)
      : ledger_(ledger), creator_(creator), keeper_(keeper), vms_(vms), limits_(limits) {}

  void Fork(ForkVmSpec spec, Cancellation cancellation, Reply<ForkedVm> reply);

 private:
  struct Job;
  using JobPtr = std::shared_ptr<Job>;

  // Whether the fork shares no blocks with its source; says so in the log, once.
  bool IsFullCopy(const VmView& vm);
  absl::StatusOr<state::NewVm> RowFor(const ForkVmSpec& spec, const Vm& source) const;
  void Begin(Vm& source, JobPtr job, Cancellation cancellation, Reply<VmView> reply);
  void MakeDisk(const JobPtr& job, Vm& vm, Cancellation cancellation,
                Reply<std::optional<state::DiskRow>> reply);
  absl::StatusOr<state::VmRecord> Record(const JobPtr& job, const std::string& vm_id,
                                         const state::DiskRow& disk, const state::Change& change);
  void OnRecorded(const JobPtr& job, const absl::Status& recorded);

  VmLedger& ledger_;
  VmCreator& creator_;
  DiskKeeper& keeper_;
  VmTable& vms_;
  const VmLimits limits_;
  bool warned_ = false;
};

}  // namespace ember::daemon
