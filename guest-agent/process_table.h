#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/log.h"
#include "guest-agent/detached_process.h"

namespace ember::agent {

// The processes of the framed port: it owns those that no session does, and knows those of the
// sessions that are open. Lives on the event loop; outlives every session.
class ProcessTable {
 public:
  // Detached processes that may run, and those that are remembered after their end.
  static constexpr size_t kMostRunning = 256;
  static constexpr size_t kMostEnded = 64;

  // The entry of a session's process, for as long as it runs.
  class Entry {
   public:
    Entry(ProcessTable& table, uint64_t serial) : table_(table), serial_(serial) {}
    Entry(const Entry&) = delete;
    Entry& operator=(const Entry&) = delete;
    ~Entry() { table_.sessions_.erase(serial_); }

   private:
    ProcessTable& table_;
    const uint64_t serial_;
  };

  ProcessTable(EventLoop& loop, Children& children, Spawner& spawner)
      : loop_(loop), children_(children), spawner_(spawner) {}
  ProcessTable(const ProcessTable&) = delete;
  ProcessTable& operator=(const ProcessTable&) = delete;

  // Starts a detached process; an empty tag is made up. InvalidArgument for a tag that can't be,
  // AlreadyExists while a process with it runs, ResourceExhausted when kMostRunning do; else as
  // Spawner::Spawn.
  absl::StatusOr<std::shared_ptr<DetachedProcess>> Start(ProcessSpec spec, std::string tag);

  // NotFound for a tag that no process has. Shared: a follower may read on when it is forgotten.
  absl::StatusOr<std::shared_ptr<DetachedProcess>> Find(std::string_view tag) const;

  // Lists a session's process until the entry goes.
  std::unique_ptr<Entry> Enter(ProcessNote note);

  // All of them by start, as large as fits a frame: long command lines are cut.
  v1::ProcessList List() const;

  // Hangs up every detached process and forgets all of them.
  void HangUp();

  // Gives the detached processes up, for the program that we are about to become; and the reverse,
  // which logs what it can't take up.
  std::vector<SavedProcess> Release();
  void TakeUp(std::vector<SavedProcess> saved, const Log& log);

 private:
  size_t running() const { return detached_.size() - ended_.size(); }
  absl::Status CheckFree(std::string_view tag);
  std::function<void()> EndOf(uint64_t serial);
  v1::ProcessList ListWith(size_t most_words) const;

  EventLoop& loop_;
  Children& children_;
  Spawner& spawner_;
  // By start.
  std::map<uint64_t, std::shared_ptr<DetachedProcess>> detached_;  // shared with followers
  std::map<uint64_t, ProcessNote> sessions_;
  std::deque<uint64_t> ended_;  // of detached_, by their end
  uint64_t next_serial_ = 1;
};

// InvalidArgument unless it is 1 to 63 of a-z, A-Z, 0-9, '.', '_', '-'.
absl::Status CheckTag(std::string_view tag);

}  // namespace ember::agent
