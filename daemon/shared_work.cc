#include "daemon/shared_work.h"

#include <utility>

#include "base/status.h"

namespace ember::daemon {

SharedWork::SharedWork(Sequence& sequence, RunApart run_apart)
    : sequence_(sequence), run_apart_(std::move(run_apart)) {}

void SharedWork::Join(const std::string& key, Work work, Guest guest) {
  if (const auto found = by_key_.find(key); found != by_key_.end()) {
    return Sit(found->second, jobs_.at(found->second), std::move(guest));
  }
  const uint64_t id = next_id_++;
  Job& job = jobs_[id];
  job.key = key;
  by_key_.emplace(key, id);
  Start(id, std::move(work));
  Sit(id, job, std::move(guest));
}

void SharedWork::Start(uint64_t id, Work work) {
  run_apart_([this, id, token = jobs_.at(id).stop.get_token(), work = std::move(work)]() mutable {
    const auto sink = [this, id](const images::Progress& progress) {
      sequence_.Post([this, id, progress] { OnProgress(id, progress); });
    };
    auto result = std::move(work)(sink, {token, Deadline::Infinite()});
    sequence_.Post([this, id, result = std::move(result)] { OnDone(id, result); });
  });
}

void SharedWork::Sit(uint64_t job_id, Job& job, Guest guest) {
  const uint64_t seat_id = next_id_++;
  const auto leave = [this, job_id, seat_id] {
    sequence_.Post([this, job_id, seat_id] { Leave(job_id, seat_id); });
  };
  sequence_.PostAfter(guest.cancellation.deadline.Remaining(),
                      [this, job_id, seat_id] { Leave(job_id, seat_id); });
  if (job.latest.has_value()) images::Report(guest.sink, *job.latest);
  const std::stop_token token = guest.cancellation.token;
  Seat& seat = job.seats.emplace(seat_id, Seat{std::move(guest), nullptr}).first->second;
  // Calls at once where that has been requested already: what it posts finds the seat.
  seat.on_cancel = std::make_unique<std::stop_callback<std::function<void()>>>(token, leave);
}

void SharedWork::Leave(uint64_t job_id, uint64_t seat_id) {
  const auto job = jobs_.find(job_id);
  if (job == jobs_.end()) return;
  const auto seat = job->second.seats.find(seat_id);
  if (seat == job->second.seats.end()) return;
  Guest guest = std::move(seat->second.guest);
  job->second.seats.erase(seat);
  if (job->second.seats.empty()) {
    // It ends as soon as it can; who asks from now on starts anew.
    job->second.stop.request_stop();
    by_key_.erase(job->second.key);
    jobs_.erase(job);
  }
  const absl::Status why = guest.cancellation.Check("the image");
  guest.reply(why.ok() ? Cancelled("the image: cancelled") : why);
}

void SharedWork::OnProgress(uint64_t job_id, const images::Progress& progress) {
  const auto job = jobs_.find(job_id);
  if (job == jobs_.end()) return;
  job->second.latest = progress;
  for (const auto& [id, seat] : job->second.seats) images::Report(seat.guest.sink, progress);
}

void SharedWork::OnDone(uint64_t job_id, const absl::StatusOr<images::ImageRecord>& result) {
  const auto job = jobs_.find(job_id);
  if (job == jobs_.end()) return;
  std::map<uint64_t, Seat> seats = std::move(job->second.seats);
  by_key_.erase(job->second.key);
  jobs_.erase(job);
  for (auto& [id, seat] : seats) seat.guest.reply(result);
}

void SharedWork::CancelAll() {
  for (auto& [id, job] : jobs_) job.stop.request_stop();
}

}  // namespace ember::daemon
