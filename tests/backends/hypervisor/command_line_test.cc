#include "backends/hypervisor/qemu/command_line.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "backends/hypervisor/factory.h"
#include "base/status.h"
#include "tests/support/status_matchers.h"

namespace ember::hypervisor {
namespace {

using ember::testing::ValueOf;

struct CommandLine {
  explicit CommandLine(std::string_view architecture = "x86_64", std::string accelerator = "tcg") {
    command.architecture = ValueOf(ArchitectureNamed(architecture));
    command.program = "/usr/bin/qemu";
    command.accelerator = std::move(accelerator);
    command.console_log = "/vms/a,b/console.log";
    command.vhost_fd = 3;
    command.qmp_fd = 4;
    spec.vm_name = "web";
    spec.kernel = "/k,1/vmlinux";
    spec.initramfs = "/k,1/initramfs";
    spec.disks = {{"/vms/a,b/disk \"1\".img", DiskFormat::kRaw},
                  {"/vms/x.qcow2", DiskFormat::kQcow2}};
    spec.vcpus = 2;
    spec.memory_mib = 512;
  }

  // The values of every option `name`.
  std::vector<std::string> Values(std::string_view name) const {
    const auto arguments = QemuArguments(command, spec);
    std::vector<std::string> values;
    for (size_t i = 0; i + 1 < arguments.size(); ++i) {
      if (arguments[i] == name) values.push_back(arguments[i + 1]);
    }
    return values;
  }
  std::string Value(std::string_view name) const {
    const auto values = Values(name);
    REQUIRE(values.size() == 1);
    return values[0];
  }

  QemuCommand command;
  MachineSpec spec;
};

bool Contains(const std::string& text, std::string_view word) {
  return text.find(word) != std::string::npos;
}

TEST_CASE("no character of a path is taken for QEMU's own", "[hypervisor][command]") {
  const CommandLine line;
  const auto nodes = line.Values("-blockdev");
  REQUIRE(nodes.size() == 2);
  CHECK(nlohmann::json::parse(nodes[0])["file"]["filename"] == "/vms/a,b/disk \"1\".img");
  CHECK(nlohmann::json::parse(nodes[0])["driver"] == "raw");
  CHECK(nlohmann::json::parse(nodes[1])["driver"] == "qcow2");
  CHECK(Contains(line.Values("-chardev")[0], "path=/vms/a,,b/console.log"));
  CHECK(line.Value("-kernel") == "/k,1/vmlinux");
  CHECK(OptionValue("a,b,,c") == "a,,b,,,,c");
}

TEST_CASE("disks have names for QMP, serial numbers, and give back what is discarded",
          "[hypervisor][command]") {
  CommandLine line;
  line.spec.disks.push_back({"/volumes/data.img", DiskFormat::kRaw, true, "data"});
  const auto nodes = line.Values("-blockdev");
  const auto root = nlohmann::json::parse(nodes[0]);
  CHECK(root["node-name"] == "disk0");
  CHECK(root["file"]["node-name"] == "disk0-file");
  CHECK(root["discard"] == "unmap");
  CHECK(root["read-only"] == false);
  CHECK(nlohmann::json::parse(nodes[2])["read-only"] == true);
  const auto devices = line.Values("-device");
  CHECK(devices[0] == "virtio-blk-pci,drive=disk0");
  CHECK(devices[2] == "virtio-blk-pci,drive=disk2,serial=data");
}

TEST_CASE("the guest's memory is shared and QEMU is in its sandbox", "[hypervisor][command]") {
  const CommandLine line;
  CHECK(line.Value("-object") == "memory-backend-memfd,id=ram,share=on,size=512M");
  CHECK(line.Value("-machine") == "q35,memory-backend=ram");
  CHECK(Contains(line.Value("-sandbox"), "on,obsolete=deny"));
  CHECK(line.Value("-smp") == "2");
}

TEST_CASE("what weakens or slows a guest under KVM is kept to emulation", "[hypervisor][command]") {
  CommandLine emulated;
  emulated.spec.vcpus = 1;
  CHECK(Contains(emulated.Value("-append"), "nolapic_timer"));
  emulated.spec.vcpus = 2;
  CHECK_FALSE(Contains(emulated.Value("-append"), "nolapic_timer"));
  CHECK(Contains(emulated.Value("-cpu"), "smep=off"));
  CommandLine real("x86_64", "kvm");
  real.spec.vcpus = 1;
  CHECK_FALSE(Contains(real.Value("-append"), "nolapic_timer"));
  CHECK(real.Value("-cpu") == "host");
}

TEST_CASE("the user's kernel arguments come last", "[hypervisor][command]") {
  CommandLine line;
  line.spec.kernel_args = {"ember.init=agent", "quiet=0"};
  const std::string append = line.Value("-append");
  CHECK(append.starts_with("console=ttyS0 "));
  CHECK(append.ends_with(" ember.root=/dev/vda ember.hostname=web ember.init=agent quiet=0"));
}

TEST_CASE("aarch64 has a machine, a console and a CPU of its own", "[hypervisor][command]") {
  const CommandLine line("aarch64");
  CHECK(line.Value("-machine") == "virt,memory-backend=ram");
  CHECK(line.Value("-append").starts_with("console=ttyAMA0 "));
  CHECK_FALSE(Contains(line.Value("-append"), "reboot=t"));
  CHECK(line.Values("-bios").empty());
  CHECK(absl::IsFailedPrecondition(ArchitectureNamed("riscv64").status()));
}

TEST_CASE("the factory knows its backends and guards the insecure one", "[hypervisor][factory]") {
  const auto io = ValueOf(EventLoop::Create("io"));
  CHECK(ValueOf(MakeBackend("qemu", {}, *io, Log()))->capabilities().isolated);
  const auto refused = MakeBackend("local", {}, *io, Log());
  CHECK(absl::IsPermissionDenied(refused.status()));
  CHECK(Contains(HintOf(refused.status()).value_or(""), "--allow-insecure-local"));
  BackendOptions options;
  options.local = LocalBackend::Options{"emberd"};
  CHECK_FALSE(ValueOf(MakeBackend("local", options, *io, Log()))->capabilities().isolated);
  CHECK(absl::IsInvalidArgument(MakeBackend("xen", {}, *io, Log()).status()));
}

}  // namespace
}  // namespace ember::hypervisor
