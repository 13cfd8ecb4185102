#include "backends/hypervisor/qemu/acceleration.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "base/subprocess.h"

namespace ember::hypervisor {
namespace {

using nlohmann::json;

constexpr absl::Duration kBootLimit = absl::Seconds(3);
constexpr absl::Duration kLockTurn = absl::Milliseconds(20);
// What a kernel without a root filesystem ends with.
constexpr std::string_view kNoRoot = "Unable to mount root fs";

Acceleration Tcg(std::string finding, std::string remedy) {
  return {"tcg", std::move(finding), std::move(remedy)};
}

// Nothing when the device opens.
std::optional<Acceleration> WhyNoDevice(const std::filesystem::path& device) {
  const UniqueFd fd(open(device.c_str(), O_RDWR | O_CLOEXEC));
  if (fd.valid()) return std::nullopt;
  if (errno == EACCES || errno == EPERM) {
    return Tcg(fmt::format("emulation: {} may not be opened by this user", device.native()),
               "sudo usermod -aG kvm $USER, then log in again");
  }
  if (errno == ENOENT) {
    return Tcg(fmt::format("emulation: there is no {}", device.native()),
               "enable virtualization in the firmware (or nested virtualization) and load the "
               "module kvm_intel or kvm_amd");
  }
  return Tcg(fmt::format("emulation: {}", Message(ErrnoStatus(errno, device.native()))), "");
}

absl::StatusOr<std::string> FileMark(const std::filesystem::path& path) {
  struct stat info;
  if (stat(path.c_str(), &info) != 0) return ErrnoStatus(errno, path.native());
  return fmt::format("{}:{}:{}.{:09}", path.native(), info.st_size, info.st_mtim.tv_sec,
                     info.st_mtim.tv_nsec);
}

}  // namespace

Acceleration AccelerationProbe::Decide(const std::filesystem::path& kernel,
                                       const Cancellation& cancellation) const {
  if (options_.forced.has_value()) return {*options_.forced, "chosen by configuration", ""};
  if (auto refused = WhyNoDevice(options_.device)) return *std::move(refused);
  const auto key = CacheKey(kernel);
  if (!key.ok()) return Tcg(fmt::format("emulation: {}", Message(key.status())), "");
  if (auto verdict = Cached(*key)) return *std::move(verdict);
  if (kernel.empty()) {
    return Tcg("emulation: KVM is not proven to work yet, for want of a kernel to try it with",
               "ember kernel add debian");
  }
  return TestOnce(*key, kernel, cancellation);
}

absl::StatusOr<std::string> AccelerationProbe::CacheKey(const std::filesystem::path& kernel) const {
  ASSIGN_OR_RETURN(const std::string boot, HostBootId());
  ASSIGN_OR_RETURN(const std::string qemu, FileMark(options_.qemu));
  if (kernel.empty()) return fmt::format("{} {}", boot, qemu);
  ASSIGN_OR_RETURN(const std::string mark, FileMark(kernel));
  return fmt::format("{} {} {}", boot, qemu, mark);
}

// The file holds one verdict. A key without a kernel takes one that any kernel has given.
std::optional<Acceleration> AccelerationProbe::Cached(const std::string& key) const {
  if (options_.cache_dir.empty()) return std::nullopt;
  const auto text = ReadFile(options_.cache_dir / "kvm-verdict.json");
  if (!text.ok()) return std::nullopt;
  const json file = json::parse(*text, nullptr, false);
  if (!file.is_object()) return std::nullopt;
  const auto word = [&file](const char* name) {
    const auto found = file.find(name);
    return found != file.end() && found->is_string() ? found->get<std::string>() : std::string();
  };
  const std::string kept = word("key");
  if (kept != key && !kept.starts_with(key + " ")) return std::nullopt;
  const std::string accelerator = word("accelerator");
  if (accelerator != "kvm" && accelerator != "tcg") return std::nullopt;
  return Acceleration{accelerator, word("finding"), word("remedy")};
}

// Best effort: without the file the test is only made again.
void AccelerationProbe::Keep(const std::string& key, const Acceleration& verdict) const {
  const json file = {{"key", key},
                     {"accelerator", verdict.accelerator},
                     {"finding", verdict.finding},
                     {"remedy", verdict.remedy}};
  WriteFileAtomically(options_.cache_dir / "kvm-verdict.json",
                      file.dump(2, ' ', false, json::error_handler_t::replace) + "\n", 0600)
      .IgnoreError();
}

Acceleration AccelerationProbe::TestOnce(const std::string& key,
                                         const std::filesystem::path& kernel,
                                         const Cancellation& cancellation) const {
  UniqueFd lock;
  while (!options_.cache_dir.empty() && MakeDirectories(options_.cache_dir, 0700).ok()) {
    auto attempt = LockFile(options_.cache_dir / "kvm-verdict.lock");
    const absl::Status locked = attempt.status();
    if (locked.ok()) lock = *std::move(attempt);
    if (!absl::IsAlreadyExists(locked)) break;
    if (!cancellation.Pause(kLockTurn, "KVM test").ok()) break;
  }
  if (auto verdict = Cached(key)) return *std::move(verdict);
  const absl::Status booted = BootUnderKvm(kernel, cancellation);
  // Cut short by our caller: nothing was learned.
  if (cancellation.done()) return Tcg("emulation: the test of KVM was cut short", "");
  Acceleration verdict{"kvm", "KVM works: a kernel booted under it", ""};
  if (!booted.ok()) {
    verdict = Tcg(
        fmt::format("emulation: {} opens, but {}", options_.device.native(), Message(booted)), "");
  }
  if (!options_.cache_dir.empty()) Keep(key, verdict);
  return verdict;
}

absl::Status AccelerationProbe::BootUnderKvm(const std::filesystem::path& kernel,
                                             const Cancellation& cancellation) const {
  const Architecture& architecture = *options_.architecture;
  ToolOptions tool;
  tool.argv = {options_.qemu.native(),
               "-nodefaults",
               "-no-user-config",
               "-no-reboot",
               "-display",
               "none",
               "-accel",
               "kvm",
               "-machine",
               std::string(architecture.machine),
               "-cpu",
               std::string(architecture.kvm_cpu),
               "-m",
               "256M",
               "-serial",
               "stdio",
               "-kernel",
               kernel.native(),
               "-append",
               fmt::format("console={} {}", architecture.console, architecture.kernel_args)};
  if (!options_.firmware.empty()) {
    tool.argv.insert(tool.argv.end(), {"-bios", options_.firmware.native()});
  }
  const auto result = RunTool(tool, cancellation.Within(kBootLimit));
  if (absl::IsDeadlineExceeded(result.status())) {
    return DeadlineExceeded("a stock kernel hangs under it (no end within {})",
                            absl::FormatDuration(kBootLimit));
  }
  RETURN_IF_ERROR(result.status());
  if (result->out.find(kNoRoot) != std::string::npos) return absl::OkStatus();
  const std::string_view words = std::string_view(result->err).substr(0, result->err.find('\n'));
  return Unavailable("a stock kernel does not boot under it (QEMU ended with {}{}{})",
                     result->exit.Describe(), words.empty() ? "" : ": ", words);
}

}  // namespace ember::hypervisor
