#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "guest-agent/frozen_filesystems.h"

namespace ember::agent {

// What there is to freeze in this guest, and that one client at a time does it. Thread-safe.
class Freezer {
 public:
  // The mount points to freeze, in that order. The system's own, or a test's.
  using MountPoints = std::function<absl::StatusOr<std::vector<std::string>>()>;

  // Every writable file system on a disk, by /proc.
  static absl::StatusOr<std::vector<std::string>> OfSystem();

  explicit Freezer(MountPoints mount_points = OfSystem) : mount_points_(std::move(mount_points)) {}

  // Somebody's turn; the next one's begins when it goes.
  class Turn {
   public:
    explicit Turn(Freezer& freezer) : freezer_(freezer) {}
    ~Turn() { freezer_.taken_ = false; }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

    // FrozenFilesystems::Freeze. The turn outlives what it answers.
    absl::StatusOr<std::unique_ptr<FrozenFilesystems>> Freeze(absl::Duration limit) const;

   private:
    Freezer& freezer_;
  };

  // ResourceExhausted during somebody's turn. The freezer outlives the turn.
  absl::StatusOr<std::unique_ptr<Turn>> Take();

 private:
  const MountPoints mount_points_;
  std::atomic<bool> taken_{false};
};

}  // namespace ember::agent
