#include "backends/images/oci/whiteout.h"

#include <string>
#include <string_view>

#include "backends/images/entry_path.h"
#include "base/status.h"
#include "base/status_macros.h"

namespace ember::images {
namespace {

constexpr std::string_view kWhiteout = ".wh.";
constexpr std::string_view kAufs = ".wh..wh.";
constexpr std::string_view kOpaque = ".wh..wh..opq";

}  // namespace

absl::StatusOr<Marking> TranslateWhiteout(Entry& entry) {
  ASSIGN_OR_RETURN(std::string path, NormalizePath(entry.path));
  const size_t start = path.rfind('/') + 1;  // 0 where there is no slash
  const std::string name = path.substr(start);
  if (!name.starts_with(kWhiteout)) return Marking::kEntry;
  if (name == kOpaque) {
    entry.type = EntryType::kRemovalOfContent;
    entry.path = path.substr(0, start == 0 ? 0 : start - 1);
    return Marking::kEntry;
  }
  if (name.starts_with(kAufs)) return Marking::kNothing;
  const std::string removed = name.substr(kWhiteout.size());
  if (removed.empty() || removed == "." || removed == "..") {
    return InvalidArgument("entry '{}' is a whiteout of nothing", entry.path);
  }
  entry.type = EntryType::kRemoval;
  entry.path = path.replace(start, std::string::npos, removed);
  return Marking::kEntry;
}

}  // namespace ember::images
