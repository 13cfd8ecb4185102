#include "backends/images/image_record.h"

#include <algorithm>
#include <string_view>

#include "backends/images/file_digest.h"

namespace ember::images {
namespace {

constexpr std::string_view kAlgorithm = "sha256:";
constexpr size_t kHexDigits = 64;

bool IsHexDigit(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); }

}  // namespace

std::string ImageId(const std::string& rootfs_digest, const ImageConfig& config) {
  // Neither part holds a line's end: the config is one line of JSON.
  return DigestBytes(rootfs_digest + "\n" + ImageConfigToJson(config) + "\n");
}

std::string DigestHex(const std::string& digest) {
  if (digest.size() != kAlgorithm.size() + kHexDigits || !digest.starts_with(kAlgorithm)) return "";
  std::string hex = digest.substr(kAlgorithm.size());
  return std::all_of(hex.begin(), hex.end(), IsHexDigit) ? hex : "";
}

}  // namespace ember::images
