#include "cli/volume_spec.h"

#include "base/size.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "cli/printable.h"

namespace ember::cli {
namespace {

absl::Status Expected(std::string_view what, std::string_view text, std::string_view hint) {
  return WithHint(InvalidArgument("{}, not '{}'", what, Printable(text)), hint);
}

// "NAME" or "NAME=SIZE".
absl::StatusOr<VolumeSpec> ParseNameAndSize(std::string_view text) {
  VolumeSpec spec;
  const size_t equals = text.find('=');
  spec.name = text.substr(0, equals);
  if (spec.name.empty()) {
    return Expected("expected a volume's name", text, "for example data=10G:/srv/data");
  }
  if (equals == std::string_view::npos) return spec;
  const auto size = ParseSize(text.substr(equals + 1));
  if (!size.ok()) return Annotate(size.status(), fmt::format("volume '{}'", Printable(spec.name)));
  spec.size_bytes = *size;
  return spec;
}

}  // namespace

absl::StatusOr<VolumeSpec> ParseDataDisk(std::string_view text) {
  if (text.find('=') == std::string_view::npos) {
    return Expected("expected NAME=SIZE", text, "for example --disk scratch=20G");
  }
  return ParseNameAndSize(text);
}

absl::StatusOr<VolumeSpec> ParseVolumeSpec(std::string_view text) {
  constexpr std::string_view kHint =
      "for example --volume data:/srv/data, data=10G:/srv/data or "
      "data:/srv/data:ro";
  const size_t colon = text.find(':');
  if (colon == std::string_view::npos) {
    return Expected("expected NAME[=SIZE]:/path[:ro]", text, kHint);
  }
  ASSIGN_OR_RETURN(VolumeSpec spec, ParseNameAndSize(text.substr(0, colon)));
  std::string_view path = text.substr(colon + 1);
  constexpr std::string_view kReadOnly = ":ro";
  constexpr std::string_view kWritable = ":rw";
  spec.read_only = path.ends_with(kReadOnly);
  if (spec.read_only || path.ends_with(kWritable)) path.remove_suffix(kReadOnly.size());
  if (!path.starts_with('/') || path.find(':') != std::string_view::npos) {
    return Expected("expected an absolute path behind the volume's name", text, kHint);
  }
  spec.mount_path = path;
  return spec;
}

}  // namespace ember::cli
