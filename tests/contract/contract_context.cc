#include "tests/contract/contract_context.h"

#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fstream>

#include "backends/hypervisor/factory.h"
#include "backends/hypervisor/process_tags.h"
#include "base/file.h"
#include "base/socket.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "tests/support/status_matchers.h"

namespace ember::testing {
namespace {

using namespace hypervisor;

std::filesystem::path FromEnvironment(const char* name) {
  const char* value = getenv(name);
  return value != nullptr ? value : "";
}

std::optional<std::string> MissingForQemu() {
  for (const char* name : {"EMBER_TEST_KERNEL", "EMBER_TEST_INITRAMFS", "EMBER_TEST_ROOTFS"}) {
    if (FromEnvironment(name).empty()) return fmt::format("{} is not set", name);
  }
  if (!std::filesystem::exists(ProgramUnderTest("ember-vsock-device"))) {
    return "ember-vsock-device is not built";
  }
  return std::nullopt;
}

absl::StatusOr<std::string> ReadLine(int fd, const Cancellation& cancellation) {
  std::string line;
  char byte;
  while (true) {
    RETURN_IF_ERROR(ReadFully(fd, &byte, 1, cancellation));
    if (byte == '\n') return line;
    line.push_back(byte);
  }
}

}  // namespace

std::filesystem::path ProgramUnderTest(std::string_view name) {
  const std::filesystem::path configured = FromEnvironment("EMBER_BIN_DIR");
  return (configured.empty() ? std::filesystem::path(EMBER_BUILD_BIN_DIR) : configured) / name;
}

ContractContext::ContractContext(std::string kind)
    : kind_(std::move(kind)), installation_(ValueOf(RandomUuid())) {
  io_ = ValueOf(EventLoop::Create("io"));
  io_->Start();
  if (kind_ == "qemu") {
    why_not_ = MissingForQemu();
  } else if (!std::filesystem::exists(DefaultProgram())) {
    why_not_ = "emberd is not built";
  }
  backend_ = MakeBackend(DefaultProgram());
}

ContractContext::~ContractContext() {
  const auto left = FindTagged(installation_);
  if (!left.ok()) return;
  for (const TaggedProcess& process : *left) {
    MachineHandle handle;
    handle.installation_id = installation_;
    handle.machine_id = process.machine_id;
    handle.dir = dir_.path();
    backend_->Reap(handle, Soon()).IgnoreError();
  }
}

std::filesystem::path ContractContext::DefaultProgram() const {
  return kind_ == "local" ? ProgramUnderTest("emberd") : std::filesystem::path();
}

std::unique_ptr<Backend> ContractContext::MakeBackend(const std::filesystem::path& program) {
  BackendOptions options;
  options.local = LocalBackend::Options{program};
  options.qemu.qemu = program;
  options.qemu.vsock_device = ProgramUnderTest("ember-vsock-device");
  options.qemu.accelerator = "tcg";
  return ValueOf(hypervisor::MakeBackend(kind_, std::move(options), *io_, Log()));
}

std::unique_ptr<Backend> ContractContext::SecondDaemon() { return MakeBackend(DefaultProgram()); }

std::unique_ptr<Backend> ContractContext::BackendWithoutProgram() {
  return MakeBackend(dir_ / "not-there");
}

std::unique_ptr<Backend> ContractContext::BackendWithBrokenProgram() {
  const auto script = dir_ / "broken";
  std::ofstream(script) << "#!/bin/sh\necho 'no such wonder' >&2\nexit 3\n";
  std::filesystem::permissions(script, std::filesystem::perms::owner_all);
  return MakeBackend(script);
}

MachineSpec ContractContext::NewSpec() {
  MachineSpec spec;
  spec.installation_id = installation_;
  spec.machine_id = ValueOf(RandomUuid());
  spec.vm_name = fmt::format("vm-{}", ++machines_);
  // QEMU's option parser must not stumble over the comma.
  spec.dir = dir_ / (spec.vm_name + ",x");
  std::filesystem::create_directory(spec.dir);
  spec.guest_socket_prefix = spec.dir / "g";
  spec.memory_mib = 256;
  spec.guest_cid = 2 + static_cast<uint32_t>(machines_);
  if (kind_ == "qemu" && !why_not_.has_value()) {
    spec.kernel = FromEnvironment("EMBER_TEST_KERNEL");
    spec.initramfs = FromEnvironment("EMBER_TEST_INITRAMFS");
    const auto disk = dir_ / (spec.vm_name + ",disk.img");
    std::filesystem::copy_file(FromEnvironment("EMBER_TEST_ROOTFS"), disk);
    spec.disks = {{disk, DiskFormat::kRaw}};
  }
  return spec;
}

std::unique_ptr<Machine> ContractContext::Launch() { return Launch(NewSpec()); }

std::unique_ptr<Machine> ContractContext::Launch(const MachineSpec& spec) {
  return ValueOf(backend_->Launch(spec, Soon()));
}

absl::StatusOr<UniqueFd> ContractContext::Dial(Machine& machine, uint32_t port,
                                               absl::Duration attempt) {
  auto answer = std::make_shared<std::promise<absl::StatusOr<UniqueFd>>>();
  auto result = answer->get_future();
  machine.Dial(port, attempt, Reply<UniqueFd>([answer](absl::StatusOr<UniqueFd> fd) {
                 answer->set_value(std::move(fd));
               }));
  return result.get();
}

absl::StatusOr<std::string> ContractContext::Ping(Machine& machine, absl::Duration limit) {
  const Cancellation cancellation = Cancellation::After(limit);
  auto fd = Dial(machine, 1024);
  while (!fd.ok()) {
    RETURN_IF_ERROR(cancellation.Pause(absl::Milliseconds(20), Message(fd.status())));
    fd = Dial(machine, 1024);
  }
  RETURN_IF_ERROR(WriteFully(fd->get(), "{\"op\":\"ping\"}\n", cancellation));
  return ReadLine(fd->get(), cancellation);
}

absl::StatusOr<std::string> ContractContext::AskJson(Machine& machine, std::string_view request) {
  ASSIGN_OR_RETURN(const UniqueFd fd, Dial(machine, 1024));
  RETURN_IF_ERROR(WriteFully(fd.get(), fmt::format("{}\n", request), Soon()));
  return ReadLine(fd.get(), Soon());
}

size_t ContractContext::Processes(const std::string& machine_id) const {
  size_t count = 0;
  for (const TaggedProcess& process : ValueOf(FindTagged(installation_))) {
    count += process.machine_id == machine_id ? 1 : 0;
  }
  return count;
}

std::set<std::string> ContractContext::Leftovers(const std::filesystem::path& dir) {
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(dir)) {
    if (entry.path().extension() != ".log") names.insert(entry.path().filename());
  }
  return names;
}

}  // namespace ember::testing
