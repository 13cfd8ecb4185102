// What a guest does at boot with what a machine is given: volumes, and the VM's id.
#include "base/status.h"
#include "base/subprocess.h"
#include "tests/contract/contract_context.h"
#include "tests/support/status_matchers.h"

namespace ember::hypervisor {
namespace {

using ember::testing::ContractContext;
using ember::testing::ValueOf;

constexpr absl::Duration kBoot = absl::Seconds(60);

// A guest in QEMU.
class BootContext : public ContractContext {
 public:
  BootContext() : ContractContext("qemu") {}

  // An empty ext4, as a disk with a serial number.
  DiskSpec NewVolume(const MachineSpec& spec, const std::string& name, bool read_only) {
    const DiskSpec volume{spec.dir / name, DiskFormat::kRaw, read_only, name};
    Run({"truncate", "-s", "16M", volume.path});
    Run({"mkfs.ext4", "-q", volume.path});
    return volume;
  }
  void Boot(const MachineSpec& spec) {
    machine_ = Launch(spec);
    REQUIRE_OK(Ping(*machine_, kBoot));
  }
  // The line of JSON that a shell command in the guest is answered with.
  std::string InGuest(std::string_view command) {
    return ValueOf(AskJson(*machine_, fmt::format(R"({{"op":"exec","command":"{}"}})", command)));
  }
  void Kill() { REQUIRE_OK(machine_->Stop(PowerOff::kKill, Soon())); }

 private:
  static void Run(std::vector<std::string> argv) {
    REQUIRE_OK(RunToolForOutput(std::move(argv), Soon()).status());
  }

  std::unique_ptr<Machine> machine_;
};

TEST_CASE("a guest mounts its volumes, writable or not, and boots without one that is none",
          "[contract][boot]") {
  BootContext context;
  if (context.why_not().has_value()) EMBER_SKIP(*context.why_not());
  MachineSpec spec = context.NewSpec();
  spec.disks.push_back(context.NewVolume(spec, "data", false));
  spec.disks.push_back(context.NewVolume(spec, "shared", true));
  spec.disks.push_back(
      {spec.disks[0].path.parent_path() / "blank", DiskFormat::kRaw, false, "blank"});
  REQUIRE_OK(RunToolForOutput({"truncate", "-s", "4M", spec.disks[3].path}, ContractContext::Soon())
                 .status());
  spec.kernel_args = {"ember.mount=data:/srv/deep/data", "ember.mount=blank:/srv/blank",
                      "ember.mount=shared:/srv/shared:ro"};
  context.Boot(spec);
  const std::string mounts = context.InGuest("grep /srv/ /proc/mounts");
  CHECK(mounts.find(" /srv/deep/data ext4 rw") != std::string::npos);
  CHECK(mounts.find(" /srv/shared ext4 ro") != std::string::npos);
  CHECK(mounts.find("/srv/blank") == std::string::npos);
  CHECK(context.InGuest("touch /srv/shared/x").find("Read-only") != std::string::npos);
  CHECK(context.InGuest("cat /sys/block/vdb/serial").find(R"("stdout":"data)") !=
        std::string::npos);
}

TEST_CASE("a disk becomes the VM's that boots from it, once", "[contract][boot]") {
  BootContext context;
  if (context.why_not().has_value()) EMBER_SKIP(*context.why_not());
  MachineSpec spec = context.NewSpec();
  constexpr char kId[] =
      "for i in $(seq 200); do [ -s /var/lib/ember/instance-id ] && break; sleep 0.1; done; "
      "cat /var/lib/ember/instance-id /etc/hostname; sync";
  for (const std::string id : {"first", "second"}) {
    spec.kernel_args = {"ember.instance=" + id};
    context.Boot(spec);
    if (id == "second") {
      // Written behind all that is renewed: the old one may stand there for a moment.
      context.InGuest(
          "for i in $(seq 200); do grep -q second /var/lib/ember/instance-id && break; "
          "sleep 0.1; done");
    }
    const std::string answer = context.InGuest(kId);
    INFO(answer);
    CHECK(answer.find(fmt::format(R"({}\n{}\n)", id, spec.vm_name)) != std::string::npos);
    context.Kill();
  }
}

}  // namespace
}  // namespace ember::hypervisor
