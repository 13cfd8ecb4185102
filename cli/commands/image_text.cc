#include "cli/commands/image_text.h"

#include <fmt/format.h>

#include "base/size.h"
#include "cli/table.h"
#include "cli/words.h"

namespace ember::cli {
namespace {

// Sizes that are seldom round: in whole MiB, rounded up.
std::string MibText(uint64_t bytes) { return fmt::format("{}M", (bytes + kMiB - 1) / kMiB); }

template <typename Names>
std::string Joined(const Names& names) {
  std::string text;
  for (const auto& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

}  // namespace

std::string ImageTableText(const v1::ListImagesResponse& response) {
  Table table({"NAME", "SOURCE", "SIZE", "ON DISK", "CREATED", "USED BY"});
  for (const v1::Image& image : response.images()) {
    table.Add({image.name(), image.source(), MibText(image.size_bytes()),
               MibText(image.disk_bytes()), TimeText(image.created_at()), Joined(image.used_by())});
  }
  return table.Text();
}

std::string ImageText(const v1::Image& image) {
  return KeyValueText({{"name", image.name()},
                       {"source", image.source()},
                       {"digest", image.digest()},
                       {"size", MibText(image.size_bytes())},
                       {"on disk", MibText(image.disk_bytes())},
                       {"path", image.path()},
                       {"created", TimeText(image.created_at())},
                       {"used by", Joined(image.used_by())}});
}

std::string KernelTableText(const v1::ListKernelsResponse& response) {
  Table table({"NAME", "VERSION", "DEFAULT", "CREATED", "USED BY"});
  for (const v1::Kernel& kernel : response.kernels()) {
    table.Add({kernel.name(), kernel.version(), kernel.is_default() ? "✓" : "",
               TimeText(kernel.created_at()), Joined(kernel.used_by())});
  }
  return table.Text();
}

}  // namespace ember::cli
