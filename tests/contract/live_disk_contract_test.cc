// What backends with Capabilities::live_disks promise about the disks of a running machine.
#include <sys/socket.h>

#include <array>

#include "absl/time/clock.h"
#include "base/file.h"
#include "base/frame.h"
#include "base/socket.h"
#include "base/status.h"
#include "base/subprocess.h"
#include "ember/agent/v1/agent.pb.h"
#include "tests/contract/contract_context.h"
#include "tests/support/status_matchers.h"

namespace ember::hypervisor {
namespace {

using ember::testing::ContractContext;
using ember::testing::ValueOf;

constexpr absl::Duration kBoot = absl::Seconds(60);
constexpr uint64_t kMib = 1 << 20;

// A machine that answers, on a backend whose disks can be changed.
class DiskContext : public ContractContext {
 public:
  explicit DiskContext(const std::string& kind) : ContractContext(kind) {
    if (why_not().has_value() || !backend().capabilities().live_disks) return;
    spec_ = NewSpec();
    machine_ = Launch(spec_);
    REQUIRE_OK(Ping(*machine_, kBoot));
  }

  Machine& machine() { return *machine_; }
  const std::filesystem::path& root() const { return spec_.disks.at(0).path; }

  // An empty overlay over the root disk.
  DiskSpec NewOverlay(const std::string& name) {
    const DiskSpec overlay{spec_.dir / name, DiskFormat::kQcow2};
    const DiskFormat base = overlays_++ == 0 ? DiskFormat::kRaw : DiskFormat::kQcow2;
    const auto active = ValueOf(machine_->ActiveDisk(Soon()));
    // Unsafe: the machine has the lock of what the overlay lies over.
    REQUIRE_OK(RunToolForOutput({"qemu-img", "create", "-q", "-u", "-f", "qcow2", "-b", active,
                                 "-F", base == DiskFormat::kRaw ? "raw" : "qcow2", overlay.path,
                                 fmt::to_string(std::filesystem::file_size(root()))},
                                Soon())
                   .status());
    return overlay;
  }
  // Makes the guest write to its root disk and wait until it is there.
  void WriteInGuest(std::string_view name) {
    const std::string answer = ValueOf(AskJson(
        *machine_, fmt::format(R"({{"op":"exec","command":"echo x > /root/{} && sync"}})", name)));
    INFO(answer);
    CHECK(answer.find("\"exit_code\":0") != std::string::npos);
  }

  // From now on something in the guest writes to the root disk without end.
  void BeginWriting() {
    const std::string answer = ValueOf(
        AskJson(*machine_, R"({"op":"exec","command":"(while :; do dd if=/dev/zero of=/root/load )"
                           R"(bs=64k count=16 conv=fsync; done) >/dev/null 2>&1 &"})"));
    INFO(answer);
    CHECK(answer.find("\"exit_code\":0") != std::string::npos);
  }
  bool BecomesWritten(std::filesystem::file_time_type before) {
    const Cancellation limit = Soon();
    while (std::filesystem::last_write_time(root()) == before) {
      if (!limit.Pause(absl::Milliseconds(20), "write").ok() || limit.done()) return false;
    }
    return true;
  }

 private:
  MachineSpec spec_;
  std::unique_ptr<Machine> machine_;
  int overlays_ = 0;
};

#define DISK_CONTEXT(context)                                                      \
  const std::string kind = GENERATE(as<std::string>{}, "local", "qemu");           \
  INFO("backend " << kind);                                                        \
  DiskContext context(kind);                                                       \
  if (context.why_not().has_value()) EMBER_SKIP(kind + ": " + *context.why_not()); \
  if (!context.backend().capabilities().live_disks) EMBER_SKIP(kind + ": no live disks")

uint64_t VirtualSize(const std::filesystem::path& disk) {
  const std::string info =
      ValueOf(RunToolForOutput({"qemu-img", "info", "-U", disk.native()}, ContractContext::Soon()));
  const size_t at = info.find('(');
  return std::stoull(info.substr(at + 1));
}

TEST_CASE("writes go to a disk that was put over the root while it runs", "[contract][disk]") {
  DISK_CONTEXT(context);
  CHECK(ValueOf(context.machine().ActiveDisk(ContractContext::Soon())) == context.root());
  for (const std::string name : {"one.qcow2", "two.qcow2"}) {
    const auto below = ValueOf(context.machine().ActiveDisk(ContractContext::Soon()));
    const DiskSpec overlay = context.NewOverlay(name);
    context.WriteInGuest("before");
    REQUIRE_OK(context.machine().SwitchDisk(overlay, ContractContext::Soon()));
    CHECK(ValueOf(context.machine().ActiveDisk(ContractContext::Soon())) == overlay.path);
    const auto written = std::filesystem::last_write_time(below);
    const auto size = std::filesystem::file_size(overlay.path);
    context.WriteInGuest("after");
    CHECK(std::filesystem::file_size(overlay.path) > size);
    CHECK(std::filesystem::last_write_time(below) == written);
  }
}

TEST_CASE("a disk that can't be put over the root leaves the old one in use", "[contract][disk]") {
  DISK_CONTEXT(context);
  const DiskSpec absent{context.root().parent_path() / "absent.qcow2", DiskFormat::kQcow2};
  CHECK_FALSE(context.machine().SwitchDisk(absent, ContractContext::Soon()).ok());
  CHECK(ValueOf(context.machine().ActiveDisk(ContractContext::Soon())) == context.root());
  context.WriteInGuest("file");
  REQUIRE_OK(context.machine().SwitchDisk(context.NewOverlay("o.qcow2"), ContractContext::Soon()));
}

TEST_CASE("a second daemon knows the disk that is in use", "[contract][disk]") {
  DISK_CONTEXT(context);
  const DiskSpec overlay = context.NewOverlay("o.qcow2");
  REQUIRE_OK(context.machine().SwitchDisk(overlay, ContractContext::Soon()));
  const auto daemon = context.SecondDaemon();
  const auto adopted = ValueOf(daemon->Adopt(context.machine().handle(), ContractContext::Soon()));
  CHECK(ValueOf(adopted->ActiveDisk(ContractContext::Soon())) == overlay.path);
}

TEST_CASE("a disk grows while it is in use, and never shrinks", "[contract][disk]") {
  DISK_CONTEXT(context);
  const uint64_t size = std::filesystem::file_size(context.root());
  REQUIRE_OK(context.machine().ResizeDisk(0, size + 64 * kMib, ContractContext::Soon()));
  CHECK(std::filesystem::file_size(context.root()) == size + 64 * kMib);
  CHECK(absl::IsInvalidArgument(context.machine().ResizeDisk(0, size, ContractContext::Soon())));
  CHECK(absl::IsNotFound(context.machine().ResizeDisk(7, size, ContractContext::Soon())));
  const DiskSpec overlay = context.NewOverlay("o.qcow2");
  REQUIRE_OK(context.machine().SwitchDisk(overlay, ContractContext::Soon()));
  REQUIRE_OK(context.machine().ResizeDisk(0, size + 128 * kMib, ContractContext::Soon()));
  CHECK(VirtualSize(overlay.path) == size + 128 * kMib);
}

// One session with the agent of a machine.
class AgentSession {
 public:
  AgentSession(ContractContext& context, Machine& machine)
      : fd_(ValueOf(context.Dial(machine, 1025))) {
    agent::v1::ClientFrame hello;
    hello.mutable_hello()->mutable_version()->set_major(1);
    Send(hello);
    REQUIRE(Receive().has_hello_reply());
  }
  void Send(const agent::v1::ClientFrame& frame) {
    std::string bytes;
    AppendFrame(frame.SerializeAsString(), bytes);
    REQUIRE_OK(WriteFully(fd_.get(), bytes, ContractContext::Soon()));
  }
  agent::v1::AgentFrame Receive() {
    std::array<char, 4096> piece;
    while (true) {
      const auto payload = ValueOf(reader_.Next());
      if (payload.has_value()) {
        agent::v1::AgentFrame frame;
        REQUIRE(frame.ParseFromArray(payload->data(), static_cast<int>(payload->size())));
        return frame;
      }
      REQUIRE_OK(ContractContext::Soon().WaitReadable(fd_.get(), "agent"));
      const ssize_t got = recv(fd_.get(), piece.data(), piece.size(), 0);
      REQUIRE(got > 0);
      reader_.Append({piece.data(), static_cast<size_t>(got)});
    }
  }
  agent::v1::AgentFrame Freeze(uint32_t limit_ms) {
    agent::v1::ClientFrame frame;
    frame.mutable_freeze_filesystems()->set_limit_ms(limit_ms);
    Send(frame);
    return Receive();
  }
  agent::v1::AgentFrame Thaw() {
    agent::v1::ClientFrame frame;
    frame.mutable_thaw();
    Send(frame);
    return Receive();
  }

 private:
  UniqueFd fd_;
  FrameReader reader_;
};

// What was written to a disk for the last time, as its file says.
auto LastWrite(const std::filesystem::path& disk) { return std::filesystem::last_write_time(disk); }

TEST_CASE("a guest under write load stands still while it is frozen, for 5 s at most",
          "[contract][disk]") {
  DISK_CONTEXT(context);
  context.BeginWriting();
  AgentSession thawed(context, context.machine());
  const auto frozen = thawed.Freeze(5000);
  INFO(frozen.failure().message());
  REQUIRE(frozen.has_frozen());
  const auto before = LastWrite(context.root());
  REQUIRE_OK(Cancellation().Pause(absl::Seconds(1), "stillness"));
  CHECK(LastWrite(context.root()) == before);
  CHECK(thawed.Thaw().has_done());
  CHECK(context.BecomesWritten(before));

  // Nobody thaws: the agent does.
  AgentSession forgotten(context, context.machine());
  REQUIRE(forgotten.Freeze(5000).has_frozen());
  const absl::Time since = absl::Now();
  CHECK(forgotten.Receive().failure().reason() == agent::v1::Failure::INTERNAL);
  CHECK(absl::Now() - since < absl::Seconds(6));
  CHECK(context.BecomesWritten(LastWrite(context.root())));
}

}  // namespace
}  // namespace ember::hypervisor
