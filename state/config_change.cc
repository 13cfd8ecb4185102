#include "state/config_change.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <vector>

#include "state/quotable.h"

namespace ember::state {
namespace {

using Labels = std::map<std::string, std::string>;

std::string Label(const Labels::value_type& label) {
  return Quotable(label.second.empty() ? label.first : label.first + "=" + label.second);
}

void DescribeLabels(const Labels& before, const Labels& after, std::vector<std::string>& changes) {
  for (const auto& label : after) {
    const auto old = before.find(label.first);
    if (old == before.end()) {
      changes.push_back(fmt::format("label {} added", Label(label)));
    } else if (old->second != label.second) {
      changes.push_back(fmt::format("label {} -> {}", Label(*old), Label(label)));
    }
  }
  for (const auto& label : before) {
    if (!after.contains(label.first)) {
      changes.push_back(fmt::format("label {} removed", Label(label)));
    }
  }
}

}  // namespace

std::string DescribeConfigChange(const VmConfig& before, const VmConfig& after) {
  std::vector<std::string> changes;
  const auto describe = [&changes](std::string_view what, const auto& old_value,
                                   const auto& new_value) {
    if (old_value == new_value) return;
    changes.push_back(fmt::format("{} {} -> {}", what, old_value, new_value));
  };
  const auto quoted = [](const std::string& text) { return fmt::format("'{}'", Quotable(text)); };
  const auto memory = [](uint32_t mib) { return fmt::format("{}M", mib); };
  const auto on_off = [](bool on) { return on ? std::string("on") : std::string("off"); };
  describe("vcpus", before.vcpus, after.vcpus);
  describe("memory", memory(before.memory_mib), memory(after.memory_mib));
  describe("kernel", before.kernel, after.kernel);
  if (before.boot_args != after.boot_args) {
    changes.push_back(
        fmt::format("boot args {} -> {}", quoted(before.boot_args), quoted(after.boot_args)));
  }
  DescribeLabels(before.labels, after.labels, changes);
  describe("restart policy", RestartPolicyName(before.restart_policy),
           RestartPolicyName(after.restart_policy));
  describe("autostart", on_off(before.autostart), on_off(after.autostart));
  return fmt::format("{}", fmt::join(changes, ", "));
}

}  // namespace ember::state
