#include "state/volume.h"

#include <algorithm>
#include <array>

#include "base/status.h"
#include "state/quotable.h"

namespace ember::state {
namespace {

constexpr std::array<std::string_view, 3> kStateNames = {"creating", "ready", "deleting"};

constexpr size_t kMaxName = 20;  // of a virtio disk's serial number

bool IsLetter(char c) { return c >= 'a' && c <= 'z'; }
bool IsAllowed(char c) { return IsLetter(c) || (c >= '0' && c <= '9') || c == '-'; }

}  // namespace

std::string_view VolumeStateName(VolumeState state) {
  return kStateNames[static_cast<size_t>(state)];
}

std::optional<VolumeState> ParseVolumeState(std::string_view name) {
  const auto* found = std::find(kStateNames.begin(), kStateNames.end(), name);
  if (found == kStateNames.end()) return std::nullopt;
  return static_cast<VolumeState>(found - kStateNames.begin());
}

absl::Status ValidateVolumeName(std::string_view name) {
  const bool good = !name.empty() && name.size() <= kMaxName && IsLetter(name.front()) &&
                    name.back() != '-' && std::all_of(name.begin(), name.end(), IsAllowed);
  if (good) return absl::OkStatus();
  return WithReason(WithHint(InvalidArgument("invalid volume name '{}'", Quotable(name)),
                             "a volume name is 1 to 20 of a-z, 0-9 and '-', starts with a letter "
                             "and does not end in '-', e.g. data-1"),
                    "INVALID_NAME");
}

}  // namespace ember::state
