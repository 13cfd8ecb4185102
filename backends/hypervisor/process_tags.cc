#include "backends/hypervisor/process_tags.h"

#include <dirent.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <memory>

#include "base/file.h"
#include "base/status.h"
#include "base/status_macros.h"

namespace ember::hypervisor {
namespace {

// What could make the loader, the C library, QEMU or a program of ours behave differently, or point
// them at sockets and descriptors that are the daemon's.
constexpr std::array<std::string_view, 7> kSteeringPrefixes = {
    "LD_", "QEMU_", "EMBER_", "MALLOC_", "GLIBC_TUNABLES=", "LISTEN_", "NOTIFY_SOCKET="};

bool Steers(std::string_view entry) {
  return std::any_of(kSteeringPrefixes.begin(), kSteeringPrefixes.end(),
                     [entry](std::string_view prefix) { return entry.starts_with(prefix); });
}

std::optional<std::string_view> ValueIn(std::string_view environment, std::string_view name) {
  while (!environment.empty()) {
    const size_t end = std::min(environment.find('\0'), environment.size());
    const std::string_view entry = environment.substr(0, end);
    if (entry.starts_with(name) && entry.substr(name.size()).starts_with("=")) {
      return entry.substr(name.size() + 1);
    }
    environment.remove_prefix(std::min(end + 1, environment.size()));
  }
  return std::nullopt;
}

std::optional<pid_t> PidOf(std::string_view name) {
  pid_t pid = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
  if (error != std::errc() || end != name.data() + name.size()) return std::nullopt;
  return pid;
}

}  // namespace

std::vector<std::string> TaggedEnvironment(std::string_view installation_id,
                                           std::string_view machine_id) {
  std::vector<std::string> environment;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    if (!Steers(*entry)) environment.emplace_back(*entry);
  }
  environment.push_back(fmt::format("{}={}", kInstallationTag, installation_id));
  environment.push_back(fmt::format("{}={}", kMachineTag, machine_id));
  return environment;
}

std::optional<std::string> MachineOf(const ProcessIdentity& process,
                                     std::string_view installation_id) {
  const auto environment = ReadFile(fmt::format("/proc/{}/environ", process.pid));
  // Compared only after the read: the environment is then that of the process asked for.
  const auto now = IdentifyProcess(process.pid);
  if (!environment.ok() || !now.ok() || *now != process) return std::nullopt;
  if (ValueIn(*environment, kInstallationTag) != installation_id) return std::nullopt;
  const auto machine = ValueIn(*environment, kMachineTag);
  if (!machine.has_value()) return std::nullopt;
  return std::string(*machine);
}

absl::StatusOr<std::vector<TaggedProcess>> FindTagged(std::string_view installation_id) {
  if (installation_id.empty()) return InvalidArgument("the installation id is empty");
  std::unique_ptr<DIR, int (*)(DIR*)> folder(opendir("/proc"), closedir);
  if (folder == nullptr) return ErrnoStatus(errno, "/proc");
  std::vector<TaggedProcess> found;
  while (const dirent* entry = readdir(folder.get())) {
    const auto pid = PidOf(entry->d_name);
    if (!pid.has_value()) continue;
    const auto identity = IdentifyProcess(*pid);
    if (!identity.ok()) continue;
    auto machine = MachineOf(*identity, installation_id);
    if (machine.has_value()) found.push_back({*identity, *std::move(machine)});
  }
  return found;
}

}  // namespace ember::hypervisor
