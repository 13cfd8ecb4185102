#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/check.h"
#include "base/size.h"
#include "base/status.h"
#include "cli/printable.h"
#include "cli/vm_config.h"

namespace {

bool IsOneOf(const std::vector<std::string>& words, const std::optional<std::string>& word) {
  return !word.has_value() || std::find(words.begin(), words.end(), *word) != words.end();
}

// What the rest of the program relies on.
void CheckConfig(const ember::cli::VmConfig& config) {
  EMBER_CHECK(config.cpus.value_or(1) >= 1);
  EMBER_CHECK(config.memory.value_or(ember::kMiB) % ember::kMiB == 0);
  EMBER_CHECK(config.memory.value_or(ember::kMiB) > 0 && config.disk.value_or(1) > 0);
  EMBER_CHECK(IsOneOf(ember::cli::InitWords(), config.init));
  EMBER_CHECK(IsOneOf(ember::cli::RestartWords(), config.restart));
  EMBER_CHECK(config.ttl.value_or(absl::Seconds(1)) >= absl::Seconds(1));
  EMBER_CHECK(config.wait.value_or(absl::ZeroDuration()) >= absl::ZeroDuration());
  for (const auto& [key, value] : config.labels) {
    EMBER_CHECK(ember::cli::Utf8Prefix(key) == key.size());
    EMBER_CHECK(ember::cli::Utf8Prefix(value) == value.size());
    EMBER_CHECK(!key.empty() && key.find('=') == std::string::npos);
  }
  // The protocol takes no other text.
  for (const auto& text : {config.name, config.image, config.kernel, config.boot_args}) {
    EMBER_CHECK(!text.has_value() || ember::cli::Utf8Prefix(*text) == text->size());
  }
  EMBER_CHECK(ember::cli::MergedVmConfig(config, {}) == config);
  EMBER_CHECK(ember::cli::MergedVmConfig({}, config) == config);
}

}  // namespace

// A file of any bytes is either a config that the rest can rely on, or an error that names the
// file.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  const auto config = ember::cli::ParseVmConfig(text, "vm.yaml");
  if (config.ok()) {
    CheckConfig(*config);
  } else {
    EMBER_CHECK(absl::IsInvalidArgument(config.status()));
    EMBER_CHECK(ember::Message(config.status()).starts_with("vm.yaml:"));
  }
  return 0;
}
