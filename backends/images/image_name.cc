#include "backends/images/image_name.h"

#include <fmt/format.h>

#include "backends/images/image_reference.h"
#include "backends/images/store_name.h"
#include "base/status.h"
#include "base/status_macros.h"

namespace ember::images {
namespace {

// NAME_MAX of Linux's filesystems, with room for the suffix of a temporary file beside it.
constexpr size_t kMaxFile = 200;

bool IsPlain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
}

std::optional<unsigned> HexValue(char c) {
  if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
  if (c >= 'A' && c <= 'F') return static_cast<unsigned>(c - 'A' + 10);
  return std::nullopt;
}

}  // namespace

absl::StatusOr<std::string> ImageName(std::string_view text) {
  if (CheckStoreName("image", text).ok()) return std::string(text);
  ASSIGN_OR_RETURN(const ImageReference reference, ParseImageReference(text));
  std::string name = reference.Familiar();
  if (ImageNameToFile(name).size() > kMaxFile) {
    return WithHint(InvalidArgument("image name '{}' is too long to be kept", name),
                    "give the image a shorter one with --as NAME");
  }
  return name;
}

std::string ImageNameToFile(std::string_view name) {
  std::string file;
  for (const char c : name) {
    // A dot in front would hide the file among the store's own.
    if (IsPlain(c) && !(file.empty() && c == '.')) {
      file += c;
    } else {
      file += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return file;
}

std::optional<std::string> ImageNameFromFile(std::string_view file) {
  std::string name;
  for (size_t i = 0; i < file.size(); ++i) {
    if (file[i] != '%') {
      if (!IsPlain(file[i])) return std::nullopt;
      name += file[i];
      continue;
    }
    if (i + 2 >= file.size()) return std::nullopt;
    const std::optional<unsigned> high = HexValue(file[i + 1]);
    const std::optional<unsigned> low = HexValue(file[i + 2]);
    if (!high.has_value() || !low.has_value()) return std::nullopt;
    name += static_cast<char>(*high << 4 | *low);
    i += 2;
  }
  // The one spelling that ImageNameToFile gives.
  if (name.empty() || ImageNameToFile(name) != file) return std::nullopt;
  return name;
}

}  // namespace ember::images
