#include "daemon/forwards.h"

#include <atomic>
#include <optional>
#include <utility>

#include "base/fault_point.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "daemon/forward_check.h"
#include "daemon/forward_server.h"
#include "daemon/host_socket.h"

namespace ember::daemon {
namespace {

// An address that another program has at a restart is tried again so often.
constexpr absl::Duration kResumeAgain = absl::Seconds(5);
// Ports of the host that other programs have and that are passed over in the search for a free one.
constexpr int kMostTries = 64;

// Where the connections of a VM lead now; nothing while it is off. A paused one keeps what it has.
std::optional<ReachedVm> TargetOf(const Vm& vm) {
  const bool has_machine = vm.machine != nullptr && (vm.record.state == state::VmState::kRunning ||
                                                     vm.record.state == state::VmState::kPaused);
  if (!has_machine) return std::nullopt;
  return ReachedVm{vm.record.id, vm.record.name, vm.machine};
}

absl::Status Taken(const state::Forward& forward, const absl::Status& why) {
  return WithReason(WithHint(AlreadyExists("{} is taken by another program ({})",
                                           DescribeSide(forward.host), Message(why)),
                             "choose another one, or end that program"),
                    "ADDRESS_TAKEN");
}

}  // namespace

// One forward that is served. Its server lives on `io`, where it is made and destroyed.
class Forwards::Served {
 public:
  Served(EventLoop& io, state::Forward forward, HostSocket socket, ForwardServer::Report report)
      : vm_id_(forward.vm_id), health_(Waiting(forward)), socket_(std::move(socket)), io_(io) {
    io_.Post([slot = slot_, context = ForwardServer::Context{io, std::move(report), connections_},
              forward = std::move(forward), fd = socket_.TakeFd()]() mutable {
      slot->server = Make(std::move(context), forward, std::move(fd));
    });
  }
  Served(const Served&) = delete;
  Served& operator=(const Served&) = delete;
  ~Served() {
    // Who connects from now on is told at once that nobody is there.
    socket_.RemoveFile();
    io_.Post([slot = slot_] { slot->server.reset(); });
  }

  void LeadTo(std::optional<ReachedVm> vm) {
    const std::weak_ptr<hypervisor::Machine> machine =
        vm.has_value() ? vm->machine : std::shared_ptr<hypervisor::Machine>();
    if (!machine.owner_before(leads_to_) && !leads_to_.owner_before(machine)) return;
    leads_to_ = machine;
    io_.Post([slot = slot_, vm = std::move(vm)]() mutable {
      if (slot->server != nullptr) slot->server->LeadTo(std::move(vm));
    });
  }

  const std::string& vm_id() const { return vm_id_; }
  const absl::Status& health() const { return health_; }
  void set_health(absl::Status health) { health_ = std::move(health); }
  uint32_t connections() const { return *connections_; }
  // True when there was one.
  bool RemoveFile() { return socket_.RemoveFile(); }

 private:
  // Of `io`.
  struct Slot {
    std::shared_ptr<ForwardServer> server;
  };

  static absl::Status Waiting(const state::Forward& forward) {
    return forward.reverse ? Unavailable("the guest does not listen yet") : absl::OkStatus();
  }

  static std::shared_ptr<ForwardServer> Make(ForwardServer::Context context,
                                             const state::Forward& forward, UniqueFd fd) {
    if (forward.reverse) return ServeReverse(std::move(context), forward);
    if (forward.host.kind == state::SocketKind::kUdp) {
      return ServeDatagrams(std::move(context), std::move(fd), forward.guest);
    }
    return ServeStreams(std::move(context), std::move(fd), forward.guest);
  }

  const std::string vm_id_;
  absl::Status health_;
  HostSocket socket_;  // its file; the descriptor is the server's
  EventLoop& io_;
  std::weak_ptr<hypervisor::Machine> leads_to_;  // compared, never followed
  const std::shared_ptr<std::atomic<uint32_t>> connections_ =
      std::make_shared<std::atomic<uint32_t>>(0);                // shared with the server
  const std::shared_ptr<Slot> slot_ = std::make_shared<Slot>();  // shared with tasks on `io`
};

Forwards::Forwards(const VmLedger::Context& context, VmTable& vms, EventFeed& feed)
    : context_(context), vms_(vms), feed_(feed) {}

Forwards::~Forwards() {
  *self_ = nullptr;
  Clear();
}

void Forwards::Clear() {
  served_.clear();
  unserved_.clear();
}

absl::StatusOr<ForwardView> Forwards::Add(Vm& vm, state::Forward forward) {
  RETURN_IF_ERROR(CheckForward(forward));
  if (vm.record.state == state::VmState::kDeleting) {
    return WithReason(FailedPrecondition("vm '{}' is being deleted", vm.record.name),
                      "WRONG_STATE");
  }
  forward.vm_id = vm.record.id;
  state::PortRange any;
  for (int tries = 1;; ++tries) {
    ASSIGN_OR_RETURN(const state::Forward added, context_.store.AddForward(forward, any));
    const absl::Status begun = Begin(vm, added);
    feed_.Publish();
    if (begun.ok()) return ViewOf(added);
    RETURN_IF_ERROR(context_.store.RemoveForward(added.id).status());
    feed_.Publish();
    if (!absl::IsAlreadyExists(begun)) return begun;
    const bool any_port = ProtocolHeld(added).has_value() && forward.host.port == 0;
    if (!any_port || tries == kMostTries || added.host.port == any.last) {
      return Taken(added, begun);
    }
    any.first = static_cast<uint16_t>(added.host.port + 1);
  }
}

absl::Status Forwards::Begin(const Vm& vm, const state::Forward& forward) {
  RETURN_IF_ERROR(FaultPoint("forward/listen"));
  return Listen(vm, forward);
}

absl::Status Forwards::Listen(const Vm& vm, const state::Forward& forward) {
  HostSocket socket;
  if (!forward.reverse) {
    ASSIGN_OR_RETURN(socket, HostSocket::Open(forward.host));
  }
  auto report = [host = &context_.host, self = self_, id = forward.id](const absl::Status& health) {
    if (*self == nullptr) return;
    host->Post([self, id, health] {
      const auto served = (*self)->served_.find(id);
      if (served != (*self)->served_.end()) served->second->set_health(health);
    });
  };
  auto served =
      std::make_unique<Served>(context_.io, forward, std::move(socket), std::move(report));
  served->LeadTo(TargetOf(vm));
  served_[forward.id] = std::move(served);
  unserved_.erase(forward.id);
  return absl::OkStatus();
}

void Forwards::Remove(const std::string& id, Reply<Done> reply) {
  const auto served = served_.find(id);
  // A crash from here on leaves no file that no row explains.
  const bool had_file = served != served_.end() && served->second->RemoveFile();
  const auto removed = context_.store.RemoveForward(id);
  if (!removed.ok()) {
    if (had_file) {
      const Vm* vm = vms_.FindById(served->second->vm_id());
      served_.erase(served);
      if (vm != nullptr) Follow(*vm);
    }
    return reply(removed.status());
  }
  CrashPoint("forward/row-removed");
  feed_.Publish();
  unserved_.erase(id);
  if (served != served_.end()) served_.erase(served);
  // Behind the end of its server.
  context_.io.Post([host = &context_.host, reply = std::move(reply)]() mutable {
    host->Post([reply = std::move(reply)]() mutable { reply(Done{}); });
  });
}

absl::StatusOr<std::vector<ForwardView>> Forwards::List(std::string_view vm_id) {
  ASSIGN_OR_RETURN(const auto forwards, context_.store.ListForwards(vm_id));
  std::vector<ForwardView> views;
  for (const state::Forward& forward : forwards) views.push_back(ViewOf(forward));
  return views;
}

ForwardView Forwards::ViewOf(const state::Forward& forward) const {
  const Vm* vm = vms_.FindById(forward.vm_id);
  const auto served = served_.find(forward.id);
  return {.forward = forward,
          .vm_name = vm == nullptr ? "" : vm->record.name,
          .reason = WhyNotServed(forward),
          .connections = served == served_.end() ? 0 : served->second->connections()};
}

std::string Forwards::WhyNotServed(const state::Forward& forward) const {
  if (const auto why = unserved_.find(forward.id); why != unserved_.end()) {
    return std::string(Message(why->second.why));
  }
  const auto served = served_.find(forward.id);
  const Vm* vm = vms_.FindById(forward.vm_id);
  if (served == served_.end() || vm == nullptr) return "it is being removed";
  if (vm->record.state != state::VmState::kRunning) {
    return fmt::format("vm '{}' is {}", vm->record.name, state::VmStateName(vm->record.state));
  }
  if (vm->machine == nullptr) return fmt::format("vm '{}' is not taken over yet", vm->record.name);
  return std::string(Message(served->second->health()));
}

absl::Status Forwards::Restore() {
  ASSIGN_OR_RETURN(const auto forwards, context_.store.ListForwards());
  for (const state::Forward& forward : forwards) {
    const Vm* vm = vms_.FindById(forward.vm_id);
    if (vm == nullptr) continue;
    if (vm->record.state != state::VmState::kDeleting) {
      Resume(*vm, forward);
    } else if (!forward.reverse) {
      // Takes the place of a socket's file that the last daemon left, and goes with it at once.
      HostSocket::Open(forward.host).IgnoreError();
    }
  }
  return absl::OkStatus();
}

void Forwards::Follow(const Vm& vm) {
  if (vm.record.state == state::VmState::kDeleting) return Close(vm);
  const auto forwards = context_.store.ListForwards(vm.record.id);
  if (!forwards.ok()) {
    return context_.log.Error(
        "the forwards of a VM can't be looked up",
        {{"vm", vm.record.name}, {"cause", std::string(Message(forwards.status()))}});
  }
  for (const state::Forward& forward : *forwards) {
    const auto served = served_.find(forward.id);
    if (served != served_.end()) {
      served->second->LeadTo(TargetOf(vm));
    } else {
      Resume(vm, forward);
    }
  }
}

void Forwards::Resume(const Vm& vm, const state::Forward& forward) {
  const absl::Status listening = Listen(vm, forward);
  if (listening.ok()) return;
  const bool is_news = !unserved_.contains(forward.id);
  unserved_[forward.id] = {vm.record.id, listening};
  if (!is_news) return;
  context_.log.Error("a forward can't be served; trying again",
                     {{"vm", vm.record.name},
                      {"forward", DescribeForward(forward)},
                      {"cause", std::string(Message(listening))}});
  TryLater(vm.record.id, forward.id);
}

void Forwards::TryLater(const std::string& vm_id, const std::string& id) {
  context_.host.PostAfter(kResumeAgain, [self = self_, vm_id, id] {
    if (*self == nullptr || !(*self)->unserved_.contains(id)) return;
    if (const Vm* vm = (*self)->vms_.FindById(vm_id); vm != nullptr) (*self)->Follow(*vm);
    if ((*self)->unserved_.contains(id)) (*self)->TryLater(vm_id, id);
  });
}

// The VM goes: whatever becomes of that, nobody is let in any more.
void Forwards::Close(const Vm& vm) {
  const std::string& id = vm.record.id;
  std::erase_if(served_, [&id](const auto& entry) { return entry.second->vm_id() == id; });
  std::erase_if(unserved_, [&id](const auto& entry) { return entry.second.vm_id == id; });
}

}  // namespace ember::daemon
