#include "guest-agent/process_table.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "base/file.h"
#include "base/frame.h"
#include "base/status.h"
#include "base/status_macros.h"

namespace ember::agent {
namespace {

constexpr size_t kMostTag = 63;
// What of a frame's limit a list leaves to what is around it, in bytes.
constexpr size_t kFrameMargin = 1024;

absl::StatusOr<std::string> MakeTag() {
  ASSIGN_OR_RETURN(const std::string uuid, RandomUuid());
  return "p-" + uuid.substr(0, 8);
}

}  // namespace

absl::Status CheckTag(std::string_view tag) {
  const bool plain = std::all_of(tag.begin(), tag.end(), [](unsigned char c) {
    return absl::ascii_isalnum(c) || c == '.' || c == '_' || c == '-';
  });
  if (plain && !tag.empty() && tag.size() <= kMostTag) return absl::OkStatus();
  return InvalidArgument("tag '{}' is not 1 to {} of a-z, A-Z, 0-9, '.', '_', '-'", tag, kMostTag);
}

// An ended process gives its tag away.
absl::Status ProcessTable::CheckFree(std::string_view tag) {
  const auto found = std::find_if(detached_.begin(), detached_.end(),
                                  [tag](const auto& one) { return one.second->tag() == tag; });
  if (found == detached_.end()) return absl::OkStatus();
  if (!found->second->exit().has_value()) {
    return AlreadyExists("process '{}' runs already", tag);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<DetachedProcess>> ProcessTable::Start(ProcessSpec spec,
                                                                     std::string tag) {
  if (tag.empty()) {
    ASSIGN_OR_RETURN(tag, MakeTag());
  }
  RETURN_IF_ERROR(CheckTag(tag));
  RETURN_IF_ERROR(CheckFree(tag));
  if (running() >= kMostRunning) {
    return ResourceExhausted("{} detached processes run already", kMostRunning);
  }
  const uint64_t serial = next_serial_++;
  ASSIGN_OR_RETURN(
      std::shared_ptr<DetachedProcess> process,
      DetachedProcess::Start(loop_, children_, spawner_, std::move(spec), tag, EndOf(serial)));
  const auto old = std::find_if(detached_.begin(), detached_.end(),
                                [&tag](const auto& one) { return one.second->tag() == tag; });
  if (old != detached_.end()) {
    std::erase(ended_, old->first);
    detached_.erase(old);
  }
  detached_[serial] = process;
  return process;
}

std::function<void()> ProcessTable::EndOf(uint64_t serial) {
  return [this, serial] {
    ended_.push_back(serial);
    if (ended_.size() <= kMostEnded) return;
    detached_.erase(ended_.front());
    ended_.pop_front();
  };
}

absl::StatusOr<std::shared_ptr<DetachedProcess>> ProcessTable::Find(std::string_view tag) const {
  for (const auto& [serial, process] : detached_) {
    if (process->tag() == tag) return process;
  }
  return NotFound("no process has the tag '{}'", tag);
}

std::unique_ptr<ProcessTable::Entry> ProcessTable::Enter(ProcessNote note) {
  const uint64_t serial = next_serial_++;
  sessions_[serial] = std::move(note);
  return std::make_unique<Entry>(*this, serial);
}

v1::ProcessList ProcessTable::List() const {
  constexpr size_t kShortWords = 64;
  for (const size_t most_words : {ProcessNote::kMostWords, kShortWords}) {
    v1::ProcessList list = ListWith(most_words);
    if (list.ByteSizeLong() + kFrameMargin <= kMaxFrame) return list;
  }
  // Without words it fits: there are fewer processes than descriptors.
  return ListWith(0);
}

v1::ProcessList ProcessTable::ListWith(size_t most_words) const {
  v1::ProcessList list;
  auto session = sessions_.begin();
  const auto add_sessions_before = [&](uint64_t serial) {
    for (; session != sessions_.end() && session->first < serial; ++session) {
      v1::Process& process = *list.add_processes();
      process = session->second.ToProto(most_words);
      process.set_running(true);
    }
  };
  for (const auto& [serial, process] : detached_) {
    add_sessions_before(serial);
    *list.add_processes() = process->ToProto(most_words);
  }
  add_sessions_before(UINT64_MAX);
  return list;
}

void ProcessTable::HangUp() {
  // Also those that a follower still holds.
  for (const auto& [serial, process] : detached_) process->HangUp();
  detached_.clear();
  ended_.clear();
}

std::vector<SavedProcess> ProcessTable::Release() {
  std::vector<SavedProcess> saved;
  for (const auto& [serial, process] : detached_) saved.push_back(process->Release());
  detached_.clear();
  ended_.clear();
  return saved;
}

void ProcessTable::TakeUp(std::vector<SavedProcess> saved, const Log& log) {
  for (SavedProcess& one : saved) {
    const std::string tag = one.about.tag();
    const uint64_t serial = next_serial_++;
    auto process = DetachedProcess::TakeUp(loop_, children_, std::move(one), EndOf(serial));
    if (!process.ok()) {
      log.Error("cannot take a process up",
                {{"tag", tag}, {"reason", std::string(Message(process.status()))}});
      continue;
    }
    if ((*process)->exit().has_value()) ended_.push_back(serial);
    detached_[serial] = *std::move(process);
  }
}

}  // namespace ember::agent
