#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ember::daemon {

// Something that the rows say and that is not so, or the reverse. A value.
struct Anomaly {
  std::string kind;  // stable word: kCidMissing, ...
  std::vector<std::string> vm_names;
  std::string message;      // one line
  std::string remedy;       // what to type, or a short sentence
  bool repairable = false;  // HostRepair knows how
  std::string subject;      // what a repair acts on: a VM's id, a path, a machine's id

  friend bool operator==(const Anomaly&, const Anomaly&) = default;
};

// What a repair did about one anomaly, or would do.
struct Repair {
  Anomaly anomaly;
  std::string action;  // empty: it is left to a person
  std::string error;   // why the action failed; empty otherwise
};

// Of rows among each other: state::Store::CheckRows has more, which no program of ours can repair.
inline constexpr std::string_view kCidMissing = "cid-missing";
inline constexpr std::string_view kRenameUnfinished = "rename-unfinished";
inline constexpr std::string_view kAddressMissing = "address-missing";
// Of rows and the host.
inline constexpr std::string_view kProcessGone = "process-gone";
inline constexpr std::string_view kProcessUnknown = "process-unknown";
inline constexpr std::string_view kNotAdopted = "machine-not-adopted";
inline constexpr std::string_view kSocketMissing = "socket-missing";
inline constexpr std::string_view kDirectoryMissing = "directory-missing";
inline constexpr std::string_view kDirectoryUnknown = "directory-unknown";
inline constexpr std::string_view kDiskMissing = "disk-missing";
inline constexpr std::string_view kVolumeMissing = "volume-missing";
inline constexpr std::string_view kImageMissing = "image-missing";
inline constexpr std::string_view kLayerMissing = "layer-missing";
inline constexpr std::string_view kSnapshotUnfinished = "snapshot-unfinished";
inline constexpr std::string_view kKernelMissing = "kernel-missing";
// Of rows and what the daemon holds in memory: a defect of ours.
inline constexpr std::string_view kMemoryDiffers = "memory-differs";

}  // namespace ember::daemon
