#include "cli/vm_config.h"

#include <unistd.h>
#include <yaml-cpp/depthguard.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <sstream>

#include "base/file.h"
#include "base/size.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "cli/duration.h"
#include "cli/printable.h"
#include "cli/suggestion.h"
#include "cli/typed_value.h"

namespace ember::cli {
namespace {

constexpr size_t kMaxBytes = 64 << 10;  // far more than any VM needs
constexpr char kExample[] = "keys and values look like this: memory: 1G (docs/vm-config.md)";

// yaml-cpp turns the escapes \N and \_ into single bytes, so a file that is UTF-8 can hold text
// that is not.
absl::Status CheckUtf8(std::string_view name, std::string_view text) {
  if (Utf8Prefix(text) == text.size()) return absl::OkStatus();
  return InvalidArgument("{}: is not UTF-8 text", name);
}

// One value of the file. The key decides how it is read, so that quotes make no difference.
struct Value {
  std::string_view file;
  std::string name;  // "dev.yaml:3: memory"
  YAML::Node node;

  std::string Found() const {
    if (node.IsScalar()) return fmt::format("'{}'", node.Scalar());
    if (node.IsSequence()) return "a list";
    return node.IsMap() ? "a map" : "nothing";
  }
  absl::Status Unexpected(std::string_view expected) const {
    return InvalidArgument("{}: expected {}, found {}", name, expected, Found());
  }
  absl::StatusOr<std::string> Text(std::string_view expected) const {
    if (!node.IsScalar()) return Unexpected(expected);
    RETURN_IF_ERROR(CheckUtf8(name, node.Scalar()));
    return node.Scalar();
  }
};

using Setter = absl::Status (*)(const Value& value, VmConfig& config);

template <std::optional<std::string> VmConfig::*field>
absl::Status SetText(const Value& value, VmConfig& config) {
  ASSIGN_OR_RETURN(config.*field, value.Text("text"));
  return absl::OkStatus();
}

template <std::optional<bool> VmConfig::*field>
absl::Status SetBool(const Value& value, VmConfig& config) {
  ASSIGN_OR_RETURN(const std::string text, value.Text("true or false"));
  if (text != "true" && text != "false") return value.Unexpected("true or false");
  config.*field = text == "true";
  return absl::OkStatus();
}

template <std::optional<uint64_t> VmConfig::*field>
absl::Status SetSize(const Value& value, VmConfig& config) {
  ASSIGN_OR_RETURN(const std::string text, value.Text("a size such as 512M or 8G"));
  const auto bytes = ParseSize(text);
  if (!bytes.ok()) return Annotate(bytes.status(), value.name);
  config.*field = *bytes;
  return absl::OkStatus();
}

absl::Status SetMemory(const Value& value, VmConfig& config) {
  RETURN_IF_ERROR(SetSize<&VmConfig::memory>(value, config));
  return MemoryMib(value.name, *config.memory).status();
}

absl::Status SetCpus(const Value& value, VmConfig& config) {
  ASSIGN_OR_RETURN(const std::string text, value.Text("a whole number"));
  ASSIGN_OR_RETURN(config.cpus, ParseNumber(value.name, text, 1));
  return absl::OkStatus();
}

template <std::optional<std::string> VmConfig::*field, const std::vector<std::string>& (*words)()>
absl::Status SetChoice(const Value& value, VmConfig& config) {
  ASSIGN_OR_RETURN(const std::string text,
                   value.Text(fmt::format("one of {}", fmt::join(words(), ", "))));
  ASSIGN_OR_RETURN(config.*field, ParseChoice(value.name, text, words()));
  return absl::OkStatus();
}

template <std::optional<absl::Duration> VmConfig::*field,
          absl::StatusOr<absl::Duration> (*parse)(std::string_view)>
absl::Status SetDuration(const Value& value, VmConfig& config) {
  ASSIGN_OR_RETURN(const std::string text, value.Text("a time such as 90s or 2h"));
  const auto duration = parse(text);
  if (!duration.ok()) return Annotate(duration.status(), value.name);
  config.*field = *duration;
  return absl::OkStatus();
}

absl::Status SetLabels(const Value& value, VmConfig& config);

// A list of texts as the command line has them.
template <absl::StatusOr<VolumeSpec> (*parse)(std::string_view)>
absl::Status SetVolumes(const Value& value, VmConfig& config) {
  if (!value.node.IsSequence()) return value.Unexpected("a list");
  for (const auto& node : value.node) {
    const std::string place = fmt::format("{}:{}: a volume", value.file, node.Mark().line + 1);
    ASSIGN_OR_RETURN(const std::string text, (Value{value.file, place, node}.Text("text")));
    const auto spec = parse(text);
    if (!spec.ok()) return Annotate(spec.status(), place);
    config.volumes.push_back(*spec);
  }
  return absl::OkStatus();
}

struct Key {
  std::string_view name;
  Setter set;
};

constexpr auto kKeys = std::to_array<Key>({
    {"name", SetText<&VmConfig::name>},
    {"image", SetText<&VmConfig::image>},
    {"kernel", SetText<&VmConfig::kernel>},
    {"cpus", SetCpus},
    {"memory", SetMemory},
    {"disk", SetSize<&VmConfig::disk>},
    {"disk_size", SetSize<&VmConfig::disk>},
    {"disks", SetVolumes<ParseDataDisk>},
    {"volumes", SetVolumes<ParseVolumeSpec>},
    {"backend", SetText<&VmConfig::backend>},
    {"init", SetChoice<&VmConfig::init, InitWords>},
    {"boot_args", SetText<&VmConfig::boot_args>},
    {"labels", SetLabels},
    {"restart", SetChoice<&VmConfig::restart, RestartWords>},
    {"autostart", SetBool<&VmConfig::autostart>},
    {"rm", SetBool<&VmConfig::rm>},
    {"run", SetBool<&VmConfig::run>},
    {"ttl", SetDuration<&VmConfig::ttl, ParseTimeToLive>},
    {"start", SetBool<&VmConfig::start>},
    {"wait", SetDuration<&VmConfig::wait, ParseDuration>},
});

absl::Status UnknownKey(std::string_view place, const std::string& key) {
  std::vector<std::string> known;
  for (const Key& each : kKeys) known.emplace_back(each.name);
  const auto near = NearestWord(key, known);
  return WithHint(InvalidArgument("{}: unknown key '{}'", place, key),
                  near.has_value() ? fmt::format("did you mean '{}'?", *near)
                                   : fmt::format("the keys are {}", fmt::join(known, ", ")));
}

// Calls `take` with each key of a map, the place of the key, and the value. A key's line is what
// a person looks for, so it stands for its value, too.
template <typename Take>
absl::Status ForEachKey(const YAML::Node& map, std::string_view file, Take take) {
  std::map<std::string, int> lines;
  for (const auto& entry : map) {
    const int line = entry.first.Mark().line + 1;
    const std::string place = fmt::format("{}:{}", file, line);
    if (!entry.first.IsScalar()) return InvalidArgument("{}: a key must be a word", place);
    const std::string& key = entry.first.Scalar();
    RETURN_IF_ERROR(CheckUtf8(place, key));
    const auto [earlier, added] = lines.emplace(key, line);
    if (!added) {
      return InvalidArgument("{}: duplicate key '{}' (it stands in line {}, too)", place, key,
                             earlier->second);
    }
    RETURN_IF_ERROR(take(key, place, entry.second));
  }
  return absl::OkStatus();
}

absl::Status SetLabel(const std::string& key, const Value& value, VmConfig& config) {
  if (key.empty() || key.find('=') != std::string::npos) {
    return InvalidArgument("{}: a label's key may be neither empty nor hold a '='", value.name);
  }
  ASSIGN_OR_RETURN(config.labels[key], value.Text("text"));
  return absl::OkStatus();
}

absl::Status SetLabels(const Value& value, VmConfig& config) {
  if (!value.node.IsMap()) return value.Unexpected("a map of keys to values");
  return ForEachKey(
      value.node, value.file,
      [&value, &config](const std::string& key, const std::string& place, const YAML::Node& node) {
        const std::string name = fmt::format("{}: label '{}'", place, key);
        return SetLabel(key, Value{value.file, name, node}, config);
      });
}

absl::StatusOr<VmConfig> FromRoot(const YAML::Node& root, std::string_view file) {
  if (root.IsNull()) return WithHint(InvalidArgument("{}: is empty", file), kExample);
  const Value whole{file, fmt::format("{}:{}", file, root.Mark().line + 1), root};
  if (!root.IsMap()) return WithHint(whole.Unexpected("keys with values"), kExample);
  VmConfig config;
  RETURN_IF_ERROR(ForEachKey(
      root, file,
      [file, &config](const std::string& key, const std::string& place, const YAML::Node& node) {
        for (const Key& known : kKeys) {
          if (known.name != key) continue;
          return known.set(Value{file, fmt::format("{}: {}", place, key), node}, config);
        }
        return UnknownKey(place, key);
      }));
  return config;
}

// Counts documents and remembers where each begins. YAML::LoadAll stops at an empty one.
class DocumentCounter final : public YAML::EventHandler {
 public:
  const std::vector<int>& lines() const { return lines_; }

  void OnDocumentStart(const YAML::Mark& mark) override { lines_.push_back(mark.line + 1); }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
  void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t,
                const std::string&) override {}
  void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {}
  void OnMapEnd() override {}

 private:
  std::vector<int> lines_;
};

// That there is one document, and that it is whole: yaml-cpp misses that a quote is never closed
// when the file ends in a line end, so it gets the file without.
absl::Status CheckOneDocument(const std::string& text, std::string_view file) {
  std::istringstream stream(text.substr(0, text.find_last_not_of(" \t\r\n") + 1));
  YAML::Parser parser(stream);
  DocumentCounter counter;
  // Not until the end: yaml-cpp never gets past a stray bracket, and reports documents for ever.
  while (counter.lines().size() < 2 && parser.HandleNextDocument(counter)) continue;
  if (counter.lines().size() < 2) return absl::OkStatus();
  return WithHint(
      InvalidArgument("{}:{}: more follows after the first document", file, counter.lines()[1]),
      "a file describes one VM; make a file for each");
}

absl::StatusOr<std::string> ReadStdin() {
  std::string text;
  std::array<char, 4096> piece;
  while (text.size() <= kMaxBytes) {
    const ssize_t got = ::read(STDIN_FILENO, piece.data(), piece.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoStatus(errno, "stdin");
    if (got == 0) break;
    text.append(piece.data(), static_cast<size_t>(got));
  }
  return text;
}

template <typename T>
void Override(std::optional<T>& below, const std::optional<T>& above) {
  if (above.has_value()) below = above;
}

}  // namespace

const std::vector<std::string>& InitWords() {
  static const auto& kWords = *new std::vector<std::string>{"auto", "agent"};
  return kWords;
}
const std::vector<std::string>& RestartWords() {
  static const auto& kWords = *new std::vector<std::string>{"no", "on-failure", "always"};
  return kWords;
}

absl::StatusOr<VmConfig> ParseVmConfig(std::string_view text, std::string_view file) {
  if (text.size() > kMaxBytes) {
    return InvalidArgument("{}: is larger than {}", file, FormatSize(kMaxBytes));
  }
  if (const size_t valid = Utf8Prefix(text); valid < text.size()) {
    const auto line = std::count(text.begin(), text.begin() + static_cast<ptrdiff_t>(valid), '\n');
    return InvalidArgument("{}:{}: is not UTF-8 text", file, line + 1);
  }
  try {
    const std::string copy(text);
    RETURN_IF_ERROR(CheckOneDocument(copy, file));
    return FromRoot(YAML::Load(copy), file);
  } catch (const YAML::DeepRecursion& deep) {  // its message is about a bad file
    return InvalidArgument("{}:{}: is nested too deeply", file, deep.mark.line + 1);
  } catch (const YAML::Exception& broken) {
    return InvalidArgument("{}:{}: not valid YAML: {}", file, broken.mark.line + 1, broken.msg);
  }
}

absl::StatusOr<VmConfig> ReadVmConfig(const std::string& path) {
  const bool from_stdin = path == "-";
  ASSIGN_OR_RETURN(const std::string text, from_stdin ? ReadStdin() : ReadFile(path));
  return ParseVmConfig(text, from_stdin ? "stdin" : path);
}

VmConfig MergedVmConfig(const VmConfig& below, const VmConfig& above) {
  VmConfig merged = below;
  Override(merged.name, above.name);
  Override(merged.image, above.image);
  Override(merged.kernel, above.kernel);
  Override(merged.cpus, above.cpus);
  Override(merged.memory, above.memory);
  Override(merged.disk, above.disk);
  for (const VolumeSpec& volume : above.volumes) {
    const auto same =
        std::find_if(merged.volumes.begin(), merged.volumes.end(),
                     [&volume](const VolumeSpec& other) { return other.name == volume.name; });
    if (same != merged.volumes.end()) {
      *same = volume;
    } else {
      merged.volumes.push_back(volume);
    }
  }
  Override(merged.backend, above.backend);
  Override(merged.init, above.init);
  Override(merged.boot_args, above.boot_args);
  for (const auto& [key, value] : above.labels) merged.labels[key] = value;
  Override(merged.restart, above.restart);
  Override(merged.autostart, above.autostart);
  Override(merged.rm, above.rm);
  Override(merged.run, above.run);
  Override(merged.ttl, above.ttl);
  Override(merged.start, above.start);
  Override(merged.wait, above.wait);
  return merged;
}

}  // namespace ember::cli
