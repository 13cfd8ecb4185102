#include "cli/signal_name.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <vector>

#include "absl/strings/ascii.h"
#include "base/linux_signals.h"
#include "base/status.h"
#include "cli/suggestion.h"

namespace ember::cli {
namespace {

absl::Status Unknown(std::string_view option, std::string_view text, const std::string& name) {
  std::vector<std::string> names;
  for (const LinuxSignal& signal : kLinuxSignals) names.emplace_back(signal.name);
  absl::Status status =
      InvalidArgument("{} '{}' is no signal: give a name such as TERM, or a number from 1 to {}",
                      option, text, kMostSignal);
  const auto nearest = NearestWord(name, names);
  return nearest.has_value() ? WithHint(status, fmt::format("did you mean {}?", *nearest)) : status;
}

}  // namespace

absl::StatusOr<uint32_t> ParseSignal(std::string_view option, std::string_view text) {
  uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc() && end == text.data() + text.size() && number >= 1 &&
      number <= kMostSignal) {
    return number;
  }
  std::string name(text);
  absl::AsciiStrToUpper(&name);
  if (name.starts_with("SIG")) name.erase(0, 3);
  const auto* found =
      std::find_if(kLinuxSignals.begin(), kLinuxSignals.end(),
                   [&name](const LinuxSignal& signal) { return signal.name == name; });
  if (found != kLinuxSignals.end()) return found->number;
  return Unknown(option, text, name);
}

std::string SignalName(uint32_t number) {
  for (const LinuxSignal& signal : kLinuxSignals) {
    if (signal.number == number) return fmt::format("SIG{}", signal.name);
  }
  return fmt::format("signal {}", number);
}

}  // namespace ember::cli
