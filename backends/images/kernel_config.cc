#include "backends/images/kernel_config.h"

#include "backends/images/decompress.h"
#include "base/size.h"

namespace ember::images {
namespace {

constexpr std::string_view kStartMark = "IKCFG_ST";
constexpr std::string_view kEndMark = "IKCFG_ED";
constexpr std::string_view kGzipMagic = "\x1f\x8b";
constexpr std::string_view kPrefix = "CONFIG_";
constexpr uint64_t kMaxConfig = 4 * kMiB;

}  // namespace

KernelConfig KernelConfig::Parse(std::string_view text) {
  KernelConfig config;
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (!line.starts_with(kPrefix)) continue;
    line.remove_prefix(kPrefix.size());
    const size_t equals = line.find('=');
    if (equals == line.npos) continue;
    const std::string_view value = line.substr(equals + 1);
    if (value != "y" && value != "m") continue;
    config.choices_[std::string(line.substr(0, equals))] =
        value == "y" ? Choice::kBuiltIn : Choice::kModule;
  }
  return config;
}

std::optional<KernelConfig> KernelConfig::FindIn(std::string_view kernel) {
  // The marks are words that the code of a kernel holds as well: the one before a gzip stream
  // counts.
  for (size_t at = kernel.find(kStartMark); at != kernel.npos;
       at = kernel.find(kStartMark, at + 1)) {
    std::string_view packed = kernel.substr(at + kStartMark.size());
    if (!packed.starts_with(kGzipMagic)) continue;
    packed = packed.substr(0, packed.find(kEndMark));
    const auto text = Decompress(packed, kMaxConfig);
    if (text.ok()) return Parse(*text);
  }
  return std::nullopt;
}

KernelConfig::Choice KernelConfig::Get(std::string_view symbol) const {
  const auto found = choices_.find(symbol);
  return found == choices_.end() ? Choice::kNo : found->second;
}

}  // namespace ember::images
