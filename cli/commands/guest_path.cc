#include "cli/commands/guest_path.h"

#include "base/status.h"

namespace ember::cli {

absl::StatusOr<CopyPlace> ParseGuestPath(const std::string& text) {
  CopyPlace place = ParseCopyPlace(text);
  if (place.kind == CopyPlace::Kind::kVm) return place;
  return WithHint(InvalidArgument("'{}' is no place in a VM", text),
                  "write VM:PATH, e.g. 'dev:/etc/hosts'");
}

}  // namespace ember::cli
