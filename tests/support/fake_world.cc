#include "tests/support/fake_world.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <utility>

#include "base/check.h"
#include "base/socket.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "daemon/agent_call.h"
#include "tests/support/echo_service.h"

namespace ember::testing {
namespace {

hypervisor::ExitReport PoweredOffReport() {
  hypervisor::ExitReport report;
  report.exit.code = 0;
  return report;
}

hypervisor::ExitReport KilledReport() {
  hypervisor::ExitReport report;
  report.exit.signal = 9;
  return report;
}

}  // namespace

FakeWorld::FakeWorld() {
  auto loop = EventLoop::Create("world");
  EMBER_CHECK(loop.ok());
  loop_ = *std::move(loop);
  loop_->Start();
}

FakeWorld::~FakeWorld() {
  On([this] {
    for (const auto& guest : guests_) EndNow(*guest, KilledReport());
  });
}

void FakeWorld::On(std::function<void()> work) {
  if (loop_->IsCurrent()) return work();
  Awaited<Done> done;
  loop_->Post([&work, reply = done.reply()]() mutable {
    work();
    reply(Done{});
  });
  EMBER_CHECK(done.Wait(Cancellation(), "world").ok());
}

std::shared_ptr<FakeGuest> FakeWorld::Find(std::string_view vm) {
  for (auto guest = guests_.rbegin(); guest != guests_.rend(); ++guest) {
    if ((*guest)->handle.vm_name == vm) return *guest;
  }
  EMBER_CHECK(false);
}

void FakeWorld::EndNow(FakeGuest& guest, hypervisor::ExitReport report) {
  if (guest.end.has_value()) return;
  guest.end = report;
  for (const auto& hang_up : std::exchange(guest.hang_up, {})) hang_up();
  eventfd_write(guest.ended.get(), 1);
  for (const auto& [watcher, ended] : std::exchange(guest.watchers, {})) ended(report);
}

void FakeWorld::Plan(GuestPlan plan) {
  On([&] { plan_ = std::move(plan); });
}

void FakeWorld::Change(std::string_view vm, std::function<void(GuestPlan&)> change) {
  On([&] { change(Find(vm)->plan); });
}

void FakeWorld::End(std::string_view vm, int exit_code, std::string last_words) {
  hypervisor::ExitReport report;
  report.exit.code = exit_code;
  report.last_words = std::move(last_words);
  On([&] { EndNow(*Find(vm), report); });
}

void FakeWorld::Announce(std::string_view vm) {
  std::filesystem::path path;
  On([&] { path = Find(vm)->handle.guest_socket_prefix; });
  path += "_1026";
  EMBER_CHECK(ConnectUnix(path).ok());
}

std::set<std::string> FakeWorld::Running() {
  std::set<std::string> names;
  On([&] {
    for (const auto& guest : guests_) {
      if (!guest->end.has_value()) names.insert(guest->handle.vm_name);
    }
  });
  return names;
}

std::shared_ptr<FakeAgent::Guest> FakeWorld::AgentOf(std::string_view vm) {
  std::shared_ptr<FakeAgent::Guest> agent;
  On([&] { agent = Find(vm)->agent; });
  return agent;
}

std::optional<hypervisor::MachineSpec> FakeWorld::LastSpec() {
  std::optional<hypervisor::MachineSpec> spec;
  On([&] { spec = last_spec_; });
  return spec;
}

void FakeWorld::Haunt(const hypervisor::MachineHandle& handle) {
  On([&] {
    auto guest = std::make_shared<FakeGuest>();
    guest->handle = handle;
    guest->plan = plan_;
    guests_.push_back(std::move(guest));
  });
}

void FakeWorld::FailLaunch(absl::Status error) {
  On([&] { launch_error_ = error; });
}
void FakeWorld::FailAdopt(absl::Status error) {
  On([&] { adopt_error_ = error; });
}
void FakeWorld::FailReap(absl::Status error) {
  On([&] { reap_error_ = error; });
}

void FakeWorld::FailDisks(absl::Status error) {
  On([&] { disk_error_ = error; });
}

absl::StatusOr<std::shared_ptr<FakeGuest>> FakeWorld::Launch(const hypervisor::MachineSpec& spec,
                                                             const Cancellation& cancellation) {
  ++launches;
  RETURN_IF_ERROR(launch_gate.Pass(cancellation));
  auto guest = std::make_shared<FakeGuest>();
  absl::Status error;
  On([&] {
    last_spec_ = spec;
    error = launch_error_;
    if (!error.ok()) return;
    guest->plan = plan_;
    guest->disks = spec.disks;
    guest->handle.backend = "fake";
    guest->handle.installation_id = spec.installation_id;
    guest->handle.machine_id = spec.machine_id;
    guest->handle.vm_name = spec.vm_name;
    guest->handle.dir = spec.dir;
    guest->handle.guest_socket_prefix = spec.guest_socket_prefix;
    guest->handle.guest_cid = spec.guest_cid;
    guest->handle.accelerator = "none";
    // This process stands for the machine's, or else a number that none has (pid_max is 2^22).
    guest->handle.process = plan_.has_process ? IdentifyProcess(getpid()).value()
                                              : ProcessIdentity{.pid = (1 << 23), .start_time = 1};
    guest->agent->power_off = [weak = std::weak_ptr(guest)] {
      const auto alive = weak.lock();
      if (alive != nullptr && alive->plan.obeys_agent) EndNow(*alive, PoweredOffReport());
    };
    std::ofstream(spec.dir / "console.log", std::ios::app) << guest->plan.console;
    guests_.push_back(guest);
  });
  if (!error.ok()) return error;
  return guest;
}

absl::StatusOr<std::shared_ptr<FakeGuest>> FakeWorld::Adopt(
    const hypervisor::MachineHandle& handle) {
  ++adoptions;
  absl::StatusOr<std::shared_ptr<FakeGuest>> found = NotFound("process is gone");
  On([&] {
    if (!adopt_error_.ok()) {
      found = adopt_error_;
      return;
    }
    for (const auto& guest : guests_) {
      const bool same =
          guest->handle.machine_id == handle.machine_id && guest->handle.process == handle.process;
      if (same && !guest->end.has_value()) found = guest;
    }
  });
  return found;
}

absl::Status FakeWorld::Reap(const std::string& machine_id) {
  ++reaps;
  absl::Status error;
  On([&] {
    error = reap_error_;
    if (!error.ok()) return;
    for (const auto& guest : guests_) {
      if (guest->handle.machine_id == machine_id) EndNow(*guest, KilledReport());
    }
  });
  return error;
}

absl::StatusOr<UniqueFd> FakeWorld::Connect(const std::shared_ptr<FakeGuest>& guest,
                                            uint32_t port) {
  GuestPlan& plan = guest->plan;
  const bool refuses = plan.refused_dials > 0 && plan.refused_dials-- > 0;
  if (guest->end.has_value() || plan.agent == AgentMode::kOff || refuses) {
    return Unavailable("nobody listens on guest port {}", port);
  }
  ASSIGN_OR_RETURN(auto pair, SocketPair());
  if (port == daemon::kAgentPort) {
    const std::weak_ptr<FakeAgent> agent =
        FakeAgent::Serve(*loop_, std::move(pair.second), plan.agent, guest->agent);
    guest->hang_up.push_back([agent] {
      if (const auto alive = agent.lock(); alive != nullptr) alive->Close();
    });
  } else {
    const auto echo = EchoService::Serve(*loop_, std::move(pair.second), port);
    guest->hang_up.push_back([echo] {
      if (const auto alive = echo.lock(); alive != nullptr) alive->Close();
    });
  }
  return std::move(pair.first);
}

void FakeWorld::Dial(std::shared_ptr<FakeGuest> guest, uint32_t port, EventLoop& io,
                     Reply<UniqueFd> reply) {
  loop_->Post([this, guest = std::move(guest), port, &io, reply = std::move(reply)]() mutable {
    io.Post(
        [fd = Connect(guest, port), reply = std::move(reply)]() mutable { reply(std::move(fd)); });
  });
}

absl::Status FakeWorld::Stop(const std::shared_ptr<FakeGuest>& guest, hypervisor::PowerOff how,
                             const Cancellation& cancellation) {
  const bool polite = how == hypervisor::PowerOff::kPolite;
  ++(polite ? polite_stops : kills);
  if (!polite) RETURN_IF_ERROR(kill_gate.Pass(cancellation));
  absl::Status error;
  On([&] {
    if (polite && guest->plan.obeys_power_button) EndNow(*guest, PoweredOffReport());
    if (!polite) error = guest->plan.kill_error;
    if (!polite && error.ok()) EndNow(*guest, KilledReport());
  });
  return error;
}

void FakeWorld::Watch(const std::shared_ptr<FakeGuest>& guest, const void* watcher, EventLoop& io,
                      std::function<void(hypervisor::ExitReport)> ended) {
  On([&] {
    const auto post = [&io, ended](hypervisor::ExitReport report) {
      io.Post([ended, report] { ended(report); });
    };
    if (guest->end.has_value()) return post(*guest->end);
    guest->watchers[watcher] = post;
  });
}

void FakeWorld::Unwatch(const std::shared_ptr<FakeGuest>& guest, const void* watcher) {
  On([&] { guest->watchers.erase(watcher); });
}

std::filesystem::path FakeWorld::ActiveDiskOf(std::string_view vm) {
  std::filesystem::path path;
  On([&] { path = Find(vm)->disks.at(0).path; });
  return path;
}

void FakeWorld::SwitchDiskOf(std::string_view vm, const std::filesystem::path& overlay) {
  On([&] { Find(vm)->disks.at(0) = {overlay, hypervisor::DiskFormat::kQcow2}; });
}

absl::Status FakeWorld::SwitchDisk(const std::shared_ptr<FakeGuest>& guest,
                                   const hypervisor::DiskSpec& overlay) {
  absl::Status status;
  On([&] {
    status = guest->end.has_value() ? FailedPrecondition("the machine has ended") : disk_error_;
    if (status.ok()) guest->disks.at(0) = overlay;
  });
  return status;
}

absl::StatusOr<std::filesystem::path> FakeWorld::ActiveDisk(
    const std::shared_ptr<FakeGuest>& guest) {
  std::filesystem::path path;
  On([&] { path = guest->disks.at(0).path; });
  return path;
}

absl::Status FakeWorld::ResizeDisk(const std::shared_ptr<FakeGuest>& guest, size_t position,
                                   uint64_t bytes) {
  absl::Status status;
  On([&] {
    status = guest->end.has_value() ? FailedPrecondition("the machine has ended") : disk_error_;
    if (!status.ok()) return;
    const hypervisor::DiskSpec& disk = guest->disks.at(position);
    if (disk.format != hypervisor::DiskFormat::kRaw) return;
    std::error_code failed;
    std::filesystem::resize_file(disk.path, bytes, failed);
    if (failed) status = ErrnoStatus(failed.value(), disk.path.native());
  });
  return status;
}

std::optional<hypervisor::ExitReport> FakeWorld::EndOf(const std::shared_ptr<FakeGuest>& guest) {
  std::optional<hypervisor::ExitReport> end;
  On([&] { end = guest->end; });
  return end;
}

}  // namespace ember::testing
