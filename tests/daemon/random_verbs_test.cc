// Random sequences of verbs against a small model of the lifecycle. A failure prints the seed; with
// EMBER_TEST_SEED=<seed> the same sequence runs again, alone.
#include <array>
#include <cstdlib>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>

#include "tests/daemon/host_context.h"
#include "tests/support/catch.h"

namespace ember::daemon {
namespace {

using absl::StatusCode;
using state::VmState;
using testing::ValueOf;

constexpr int kSequences = 12;
constexpr int kSteps = 80;
constexpr std::array kNames = {"ant", "bee", "cat", "dog"};

// What a VM should be, written without a look at lifecycle.cc.
struct ModelVm {
  VmState state = VmState::kCreated;
  uint32_t cid = 0;
  uint32_t block = 0;
  uint32_t vcpus = 1;

  bool on() const { return state == VmState::kRunning || state == VmState::kPaused; }
};

class Model {
 public:
  std::map<std::string, ModelVm> vms;

  ModelVm* Find(const std::string& name) {
    auto found = vms.find(name);
    return found == vms.end() ? nullptr : &found->second;
  }

  StatusCode Create(const std::string& name, bool start) {
    if (Find(name) != nullptr) return StatusCode::kAlreadyExists;
    ModelVm vm;
    vm.state = start ? VmState::kRunning : VmState::kCreated;
    vm.cid = Lowest(3, [](const ModelVm& other) { return other.cid; });
    vm.block = Lowest(0, [](const ModelVm& other) { return other.block; });
    vms.emplace(name, vm);
    return StatusCode::kOk;
  }

  StatusCode Start(const std::string& name) {
    return Change(name, [](ModelVm& vm) { return Move(vm, !vm.on(), VmState::kRunning); });
  }
  StatusCode Stop(const std::string& name) {
    return Change(name, [](ModelVm& vm) { return Move(vm, vm.on(), VmState::kStopped); });
  }
  StatusCode Restart(const std::string& name) {
    return Change(name, [](ModelVm& vm) { return Move(vm, true, VmState::kRunning); });
  }
  StatusCode Pause(const std::string& name) {
    return Change(name, [](ModelVm& vm) {
      return Move(vm, vm.state == VmState::kRunning, VmState::kPaused);
    });
  }
  StatusCode Resume(const std::string& name) {
    return Change(name, [](ModelVm& vm) {
      return Move(vm, vm.state == VmState::kPaused, VmState::kRunning);
    });
  }
  StatusCode Update(const std::string& name, uint32_t vcpus) {
    return Change(name, [vcpus](ModelVm& vm) {
      if (vm.on()) return StatusCode::kFailedPrecondition;
      vm.vcpus = vcpus;
      return StatusCode::kOk;
    });
  }
  StatusCode Rename(const std::string& name, const std::string& new_name) {
    ModelVm* vm = Find(name);
    if (vm == nullptr) return StatusCode::kNotFound;
    if (vm->on()) return StatusCode::kFailedPrecondition;
    if (Find(new_name) != nullptr) return StatusCode::kAlreadyExists;
    auto node = vms.extract(name);
    node.key() = new_name;
    vms.insert(std::move(node));
    return StatusCode::kOk;
  }
  StatusCode Delete(const std::string& name, bool force) {
    const ModelVm* vm = Find(name);
    if (vm == nullptr) return StatusCode::kNotFound;
    if (vm->on() && !force) return StatusCode::kFailedPrecondition;
    vms.erase(name);
    return StatusCode::kOk;
  }

 private:
  template <typename Edit>
  StatusCode Change(const std::string& name, Edit edit) {
    ModelVm* vm = Find(name);
    return vm == nullptr ? StatusCode::kNotFound : edit(*vm);
  }
  static StatusCode Move(ModelVm& vm, bool allowed, VmState to) {
    if (!allowed) return StatusCode::kFailedPrecondition;
    vm.state = to;
    return StatusCode::kOk;
  }
  template <typename NumberOf>
  uint32_t Lowest(uint32_t first, NumberOf number_of) const {
    std::set<uint32_t> used;
    for (const auto& [name, vm] : vms) used.insert(number_of(vm));
    while (used.contains(first)) ++first;
    return first;
  }
};

// One host and its model, driven side by side.
class Sequence {
 public:
  explicit Sequence(unsigned seed) : random_(seed) {}

  void Run() {
    for (int step = 0; step < kSteps; ++step) {
      Step();
      Compare();
    }
    CHECK(context_.Anomalies().empty());
    for (const auto& [name, vm] : model_.vms) {
      REQUIRE_OK(context_.Delete(name, Host::DeleteMode::kForce));
    }
    for (const char* name : kNames) context_.CheckNothingLeft(name);
  }

 private:
  void Step() {
    const std::string name = AnyName();
    switch (random_() % 14) {
      case 0:
      case 1:
        return Expect("create " + name, context_.Create(name), model_.Create(name, true));
      case 2:
        return Expect("create --no-start " + name, context_.CreateIdle(name),
                      model_.Create(name, false));
      case 3:
        return Expect("start " + name, context_.Start(name), model_.Start(name));
      case 4:
        return Expect("stop " + name, context_.Stop(name), model_.Stop(name));
      case 5:
        return Expect("restart " + name, context_.RestartVm(name), model_.Restart(name));
      case 6:
        return Expect("pause " + name, context_.Pause(name), model_.Pause(name));
      case 7:
        return Expect("resume " + name, context_.Resume(name), model_.Resume(name));
      case 8:
        return Update(name);
      case 9: {
        std::string other = AnyName();
        while (other == name) other = AnyName();
        return Expect("rename " + name + " " + other, context_.Rename(name, other),
                      model_.Rename(name, other));
      }
      case 10:
        return Expect("delete " + name, context_.Delete(name), model_.Delete(name, false));
      case 11:
        return Expect("delete --force " + name, context_.Delete(name, Host::DeleteMode::kForce),
                      model_.Delete(name, true));
      case 12:
        return EndMachine(name);
      default:
        Told("the daemon crashes");
        context_.Restart();
    }
  }

  void Update(const std::string& name) {
    const auto vcpus = static_cast<uint32_t>(1 + random_() % 2);
    VmUpdate update;
    update.vcpus = vcpus;
    Expect("update " + name, context_.Update(name, update), model_.Update(name, vcpus));
  }

  // The guest powers off, or its hypervisor dies.
  void EndMachine(const std::string& name) {
    ModelVm* vm = model_.Find(name);
    if (vm == nullptr || !vm->on()) return;
    const bool in_order = random_() % 2 == 0;
    Told((in_order ? "power off " : "crash ") + name);
    const uint64_t before = context_.LastEvent();
    context_.world.End(name, in_order ? 0 : 1);
    context_.MustSee(name, in_order ? "stopped" : "failed", before);
    vm->state = in_order ? VmState::kStopped : VmState::kFailed;
  }

  static const absl::Status& StatusOf(const absl::Status& status) { return status; }
  template <typename T>
  static const absl::Status& StatusOf(const absl::StatusOr<T>& result) {
    return result.status();
  }

  template <typename Result>
  void Expect(const std::string& verb, const Result& result, StatusCode expected) {
    Told(verb);
    INFO(told_);
    INFO(StatusOf(result).ToString());
    REQUIRE(absl::StatusCodeToString(StatusOf(result).code()) ==
            absl::StatusCodeToString(expected));
  }

  void Compare() {
    INFO(told_);
    std::set<std::string> on;
    const auto views = context_.List();
    REQUIRE(views.size() == model_.vms.size());
    for (const VmView& view : views) {
      const ModelVm* vm = model_.Find(view.record.name);
      INFO(view.record.name);
      REQUIRE(vm != nullptr);
      CHECK(state::VmStateName(view.record.state) == state::VmStateName(vm->state));
      CHECK(view.record.guest_cid == vm->cid);
      REQUIRE(view.record.address.has_value());
      CHECK(view.record.address->block_index == vm->block);
      CHECK(view.record.config.vcpus == vm->vcpus);
      if (vm->on()) on.insert(view.record.name);
    }
    CHECK(context_.world.Running() == on);
    CHECK(context_.Anomalies().empty());
  }

  void Told(const std::string& what) { told_ += what + "\n"; }
  std::string AnyName() { return kNames[random_() % kNames.size()]; }

  std::mt19937 random_;
  HostContext context_;
  Model model_;
  std::string told_;
};

TEST_CASE("random verbs do to every VM what the lifecycle says, whatever crashes in between",
          "[daemon][random]") {
  const char* asked = std::getenv("EMBER_TEST_SEED");
  const unsigned first =
      asked != nullptr ? static_cast<unsigned>(std::stoul(asked)) : std::random_device{}();
  for (unsigned seed = first; seed < first + (asked != nullptr ? 1 : kSequences); ++seed) {
    INFO("EMBER_TEST_SEED=" << seed);
    Sequence(seed).Run();
  }
}

}  // namespace
}  // namespace ember::daemon
