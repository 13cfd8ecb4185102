#include "cli/copy_place.h"

namespace ember::cli {
namespace {

constexpr std::string_view kGuestHome = "/root";

}  // namespace

CopyPlace ParseCopyPlace(std::string_view text) {
  if (text == "-") return {CopyPlace::Kind::kStandardStream, "", ""};
  const size_t colon = text.find(':');
  if (colon == std::string_view::npos || colon == 0 || text.find('/') < colon) {
    return {CopyPlace::Kind::kLocal, "", std::string(text)};
  }
  CopyPlace place{CopyPlace::Kind::kVm, std::string(text.substr(0, colon)), ""};
  const std::string_view path = text.substr(colon + 1);
  if (!path.starts_with('/')) place.path = kGuestHome;
  if (!path.empty() && !path.starts_with('/')) place.path += '/';
  place.path += path;
  return place;
}

CopySource SourceOf(const std::string& path) {
  CopySource source{false, path, ""};
  const size_t end = path.find_last_not_of('/') + 1;
  const size_t slash = end == 0 ? std::string::npos : path.rfind('/', end - 1);
  const size_t start = slash == std::string::npos ? 0 : slash + 1;
  source.name = path.substr(start, end - start);
  if (source.name.empty() || source.name == "." || source.name == "..") {
    source.contents = true;
    source.name.clear();
  }
  return source;
}

}  // namespace ember::cli
