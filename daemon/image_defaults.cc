#include "daemon/image_defaults.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <utility>

#include "backends/images/image_config.h"
#include "base/linux_signals.h"
#include "base/status.h"
#include "base/status_macros.h"

namespace ember::daemon {
namespace {

constexpr uint32_t kSigTerm = 15;
// As C libraries number them for programs: the first two are theirs (signal(7)).
constexpr uint32_t kSigRtMin = 34;
constexpr uint32_t kSigRtMax = 64;

std::optional<uint32_t> Number(std::string_view digits) {
  uint32_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  const bool all = error == std::errc() && end == digits.data() + digits.size();
  return all && !digits.empty() ? std::optional(number) : std::nullopt;
}

std::optional<uint32_t> InRange(std::optional<uint32_t> number, uint32_t least) {
  const bool fits = number.has_value() && *number >= least && *number <= kMostSignal;
  return fits ? number : std::nullopt;
}

std::optional<uint32_t> RealTimeSignal(std::string_view name) {
  const size_t sign = name.find_first_of("+-");
  const std::string_view base = name.substr(0, sign);
  const uint32_t start = base == "RTMIN" ? kSigRtMin : kSigRtMax;
  if (base != "RTMIN" && base != "RTMAX") return std::nullopt;
  if (sign == name.npos) return start;
  const std::optional<uint32_t> offset = Number(name.substr(sign + 1));
  if (!offset.has_value() || *offset > kSigRtMax - kSigRtMin) return std::nullopt;
  return InRange(name[sign] == '+' ? start + *offset : start - *offset, kSigRtMin);
}

absl::StatusOr<images::ImageConfig> ConfigOf(const state::VmRecord& vm) {
  if (!vm.image.has_value()) return images::ImageConfig();
  auto config = images::ImageConfigFromJson(vm.image->config);
  if (config.ok()) return config;
  return DataLoss("vm '{}': the stored config of its image is damaged: {}", vm.name,
                  Message(config.status()));
}

}  // namespace

absl::StatusOr<ExecCommand> OverImageDefaults(ExecCommand command, const state::VmRecord& vm) {
  ASSIGN_OR_RETURN(const images::ImageConfig config, ConfigOf(vm));
  std::map<std::string, std::string> env;
  for (const std::string& variable : config.env) {
    const size_t equals = variable.find('=');
    // Of a variable that the image names twice the later one counts, as for a shell.
    env[variable.substr(0, equals)] = variable.substr(equals + 1);
  }
  command.env.merge(std::move(env));  // what the command says itself stays
  if (command.user.empty()) command.user = config.user;
  if (command.cwd.empty()) command.cwd = config.working_dir;
  return command;
}

absl::StatusOr<ExecCommand> MainCommand(const state::VmRecord& vm) {
  ASSIGN_OR_RETURN(const images::ImageConfig config, ConfigOf(vm));
  ExecCommand command;
  command.vm_name = vm.name;
  command.argv = config.entrypoint;
  command.argv.insert(command.argv.end(), config.cmd.begin(), config.cmd.end());
  command.detach = std::string(kMainTag);
  if (command.argv.empty()) {
    return WithHint(
        FailedPrecondition("vm '{}': image '{}' has neither an entrypoint nor a command to run",
                           vm.name, vm.config.image),
        "leave out --run, and start programs with 'ember exec'");
  }
  return OverImageDefaults(std::move(command), vm);
}

uint32_t StopSignal(const state::VmRecord& vm) {
  const auto config = ConfigOf(vm);
  if (!config.ok()) return kSigTerm;
  return SignalNumber(config->stop_signal).value_or(kSigTerm);
}

std::optional<uint32_t> SignalNumber(std::string_view text) {
  if (const auto number = Number(text); number.has_value()) return InRange(number, 1);
  if (text.starts_with("SIG")) text.remove_prefix(3);
  const auto found = std::find_if(kLinuxSignals.begin(), kLinuxSignals.end(),
                                  [text](const auto& signal) { return signal.name == text; });
  return found != kLinuxSignals.end() ? std::optional(found->number) : RealTimeSignal(text);
}

}  // namespace ember::daemon
