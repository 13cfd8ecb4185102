#include "backends/hypervisor/qemu/command_line.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "backends/hypervisor/qemu/disk_node.h"

namespace ember::hypervisor {
namespace {

using Arguments = std::vector<std::string>;

void Append(Arguments& arguments, std::initializer_list<std::string> more) {
  arguments.insert(arguments.end(), more);
}

void AppendDisks(Arguments& arguments, const std::vector<DiskSpec>& disks) {
  for (size_t i = 0; i < disks.size(); ++i) {
    const std::string name = DiskNodeName(i);
    // Names of files need not be UTF-8; such a disk fails in QEMU instead of throwing here.
    const std::string node =
        DiskNode(disks[i], name).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    std::string device = fmt::format("virtio-blk-pci,drive={}", name);
    if (!disks[i].serial.empty()) device += ",serial=" + OptionValue(disks[i].serial);
    Append(arguments, {"-blockdev", node, "-device", device});
  }
}

// The port makes the device one that can be taken out and put back while the guest runs, which
// devices on the root bus can't.
void AppendVsock(Arguments& arguments, int vhost_fd) {
  Append(arguments,
         {"-chardev", fmt::format("socket,id={},fd={}", kVsockChardev, vhost_fd), "-device",
          fmt::format("pcie-root-port,id={},chassis=1,slot=1", kVsockPort), "-device",
          fmt::format("vhost-user-vsock-pci,id={},chardev={},bus={}", kVsockDevice, kVsockChardev,
                      kVsockPort)});
}

}  // namespace

std::string OptionValue(std::string_view value) {
  std::string escaped;
  for (const char c : value) {
    escaped.push_back(c);
    if (c == ',') escaped.push_back(',');
  }
  return escaped;
}

std::string KernelCommandLine(const Architecture& architecture, std::string_view accelerator,
                              const MachineSpec& spec) {
  std::string line = fmt::format("console={} {}", architecture.console, architecture.kernel_args);
  const bool tcg = accelerator == "tcg";
  for (const std::string_view extra :
       {tcg ? architecture.tcg_kernel_args : "",
        tcg && spec.vcpus == 1 ? architecture.tcg_single_cpu_kernel_args : ""}) {
    if (!extra.empty()) line += fmt::format(" {}", extra);
  }
  line += fmt::format(" ember.root=/dev/vda ember.hostname={}", spec.vm_name);
  for (const std::string& argument : spec.kernel_args) line += " " + argument;
  return line;
}

Arguments QemuArguments(const QemuCommand& command, const MachineSpec& spec) {
  const Architecture& architecture = *command.architecture;
  const bool kvm = command.accelerator == "kvm";
  // The vsock device maps the guest's memory: it has to be shared, and QEMU would not complain.
  Arguments arguments = {
      command.program,
      "-nodefaults",
      "-no-user-config",
      "-no-reboot",
      "-display",
      "none",
      "-name",
      OptionValue(spec.vm_name),
      "-accel",
      command.accelerator,
      "-machine",
      fmt::format("{},memory-backend=ram", architecture.machine),
      "-cpu",
      std::string(kvm ? architecture.kvm_cpu : architecture.tcg_cpu),
      "-smp",
      fmt::to_string(spec.vcpus),
      "-m",
      fmt::format("{}M", spec.memory_mib),
      "-object",
      fmt::format("memory-backend-memfd,id=ram,share=on,size={}M", spec.memory_mib),
      "-sandbox",
      "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
      "-kernel",
      spec.kernel.native(),
      "-initrd",
      spec.initramfs.native(),
      "-append",
      KernelCommandLine(architecture, command.accelerator, spec)};
  if (!command.firmware.empty()) Append(arguments, {"-bios", command.firmware.native()});
  // Appending lets the daemon shorten the file under a running guest.
  Append(arguments, {"-chardev",
                     fmt::format("file,id=console,append=on,path={}",
                                 OptionValue(command.console_log.native())),
                     "-serial", "chardev:console", "-chardev",
                     fmt::format("socket,id=qmp,fd={},server=on,wait=off", command.qmp_fd), "-mon",
                     "chardev=qmp,mode=control"});
  AppendDisks(arguments, spec.disks);
  AppendVsock(arguments, command.vhost_fd);
  Append(arguments, {"-device", "virtio-rng-pci"});
  return arguments;
}

}  // namespace ember::hypervisor
