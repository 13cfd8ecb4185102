#include "guest-agent/boot/boot_options.h"

#include <optional>
#include <string>
#include <vector>

namespace ember::agent {
namespace {

// Splits at blanks outside double quotes and drops the quotes.
std::vector<std::string> WordsOf(std::string_view line) {
  std::vector<std::string> words;
  std::string word;
  bool quoted = false;
  for (const char c : line) {
    if (c == '"') {
      quoted = !quoted;
    } else if (!quoted && (c == ' ' || c == '\n' || c == '\t')) {
      if (!word.empty()) words.push_back(word);
      word.clear();
    } else {
      word.push_back(c);
    }
  }
  if (!word.empty()) words.push_back(word);
  return words;
}

// NAME:PATH[:ro]
std::optional<VolumeMount> ParseVolumeMount(std::string_view value) {
  VolumeMount volume;
  const size_t colon = value.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  volume.name = value.substr(0, colon);
  value.remove_prefix(colon + 1);
  constexpr std::string_view kReadOnly = ":ro";
  volume.read_only = value.ends_with(kReadOnly);
  if (volume.read_only) value.remove_suffix(kReadOnly.size());
  volume.path = value;
  const bool whole = !volume.name.empty() && volume.path.size() > 1 && volume.path[0] == '/';
  return whole ? std::optional(std::move(volume)) : std::nullopt;
}

void Apply(std::string_view name, std::string_view value, BootOptions& options) {
  if (value.empty()) return;
  if (name == "ember.root") options.root = value;
  if (name == "ember.rootfstype") options.root_type = value;
  if (name == "ember.rootflags") options.root_flags = value;
  if (name == "ember.hostname") options.hostname = value;
  if (name == "ember.init" && value == "agent") options.choice = InitChoice::kAgent;
  if (name == "ember.init" && value == "auto") options.choice = InitChoice::kAuto;
  if (name == "ember.instance") options.instance = value;
  if (name == "ember.mount") {
    if (auto volume = ParseVolumeMount(value)) options.volumes.push_back(*std::move(volume));
  }
  if (name == "ember.log") options.log_level = ParseLogLevel(value).value_or(options.log_level);
  if (name == "init") options.init = value;
}

}  // namespace

BootOptions ParseKernelCommandLine(std::string_view line) {
  BootOptions options;
  for (const std::string& word : WordsOf(line)) {
    // What follows "--" is for init.
    if (word == "--") break;
    const size_t equals = word.find('=');
    if (equals == std::string::npos) continue;
    Apply(std::string_view(word).substr(0, equals), std::string_view(word).substr(equals + 1),
          options);
  }
  return options;
}

}  // namespace ember::agent
