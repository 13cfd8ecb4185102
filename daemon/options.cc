#include "daemon/options.h"

#include <unistd.h>
#include <yaml-cpp/yaml.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cstdlib>
#include <functional>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/status.h"
#include "base/status_macros.h"
#include "state/subnet.h"

namespace ember::daemon {
namespace {

constexpr double kMaxBootSignSeconds = 86400;

std::filesystem::path FromEnvironment(const char* variable) {
  const char* value = std::getenv(variable);
  return value != nullptr && value[0] == '/' ? std::filesystem::path(value)
                                             : std::filesystem::path();
}

// Edit distance: small words, so the simple table will do.
size_t Distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row[b.size()];
}

// One key of the file: how its value gets into the options.
using Setter = std::function<absl::Status(const YAML::Node&, Options&)>;

absl::Status SetLogLevel(const YAML::Node& value, Options& options) {
  const auto level = ParseLogLevel(value.as<std::string>());
  if (!level.has_value()) return InvalidArgument("is not one of trace, debug, info, warn, error");
  options.log_level = *level;
  return absl::OkStatus();
}

absl::Status SetAccelerator(const YAML::Node& value, Options& options) {
  options.accelerator = value.as<std::string>();
  if (options.accelerator == "kvm" || options.accelerator == "tcg") return absl::OkStatus();
  return InvalidArgument("is neither 'kvm' nor 'tcg'");
}

absl::Status SetBackend(const YAML::Node& value, Options& options) {
  options.default_backend = value.as<std::string>();
  return absl::OkStatus();
}

absl::Status SetBootSign(const YAML::Node& value, Options& options) {
  options.boot_sign_seconds = value.as<double>();
  if (options.boot_sign_seconds > 0 && options.boot_sign_seconds <= kMaxBootSignSeconds) {
    return absl::OkStatus();
  }
  return InvalidArgument("must be more than 0 and at most {} seconds", kMaxBootSignSeconds);
}

absl::Status SetDefaultVcpus(const YAML::Node& value, Options& options) {
  options.default_vcpus = value.as<uint32_t>();
  return options.default_vcpus > 0 ? absl::OkStatus() : InvalidArgument("must be at least 1");
}

absl::Status SetDefaultMemory(const YAML::Node& value, Options& options) {
  ASSIGN_OR_RETURN(const uint64_t bytes, ParseSize(value.as<std::string>()));
  const uint64_t mib = bytes / kMiB;
  if (mib == 0 || mib > std::numeric_limits<uint32_t>::max() || bytes % kMiB != 0) {
    return InvalidArgument("is not a number of whole mebibytes");
  }
  options.default_memory_mib = static_cast<uint32_t>(mib);
  return absl::OkStatus();
}

absl::Status SetDefaultDisk(const YAML::Node& value, Options& options) {
  ASSIGN_OR_RETURN(options.default_disk_bytes, ParseSize(value.as<std::string>()));
  return options.default_disk_bytes > 0 ? absl::OkStatus() : InvalidArgument("must not be empty");
}

absl::Status SetMemoryLimit(const YAML::Node& value, Options& options) {
  options.memory_limit_percent = value.as<uint32_t>();
  if (options.memory_limit_percent >= 1 && options.memory_limit_percent <= 100)
    return absl::OkStatus();
  return InvalidArgument("must be 1 to 100");
}

absl::Status SetSubnet(const YAML::Node& value, Options& options) {
  ASSIGN_OR_RETURN(const state::Subnet subnet, state::Subnet::Parse(value.as<std::string>()));
  options.subnet = subnet.ToString();
  return absl::OkStatus();
}

const std::map<std::string, Setter>& Keys() {
  static const auto* const kKeys = new std::map<std::string, Setter>{
      {"log_level", SetLogLevel},
      {"accelerator", SetAccelerator},
      {"default_backend", SetBackend},
      {"boot_sign_seconds", SetBootSign},
      {"default_vcpus", SetDefaultVcpus},
      {"default_memory", SetDefaultMemory},
      {"default_disk", SetDefaultDisk},
      {"memory_limit_percent", SetMemoryLimit},
      {"subnet", SetSubnet},
  };
  return *kKeys;
}

absl::Status UnknownKey(const std::string& place, const std::string& key) {
  std::string nearest;
  for (const auto& [known, setter] : Keys()) {
    if (nearest.empty() || Distance(key, known) < Distance(key, nearest)) nearest = known;
  }
  return WithHint(InvalidArgument("{}: unknown key '{}'", place, key),
                  fmt::format("did you mean '{}'?", nearest));
}

absl::Status ApplyKey(const std::string& file, const YAML::Node& key, const YAML::Node& value,
                      Options& options) {
  const std::string name = key.as<std::string>();
  const std::string place = fmt::format("{}:{}", file, key.Mark().line + 1);
  const auto setter = Keys().find(name);
  if (setter == Keys().end()) return UnknownKey(place, name);
  try {
    return Annotate(setter->second(value, options), fmt::format("{}: '{}'", place, name));
  } catch (const YAML::Exception&) {
    return InvalidArgument("{}: '{}' has a value of the wrong type", place, name);
  }
}

absl::Status ParseListen(const std::string& listen, Options& options) {
  constexpr std::string_view kUnix = "unix:";
  if (!listen.starts_with(kUnix) || listen.size() == kUnix.size()) {
    return WithHint(
        InvalidArgument("--listen '{}' is not an address of the form unix:PATH", listen),
        "for example --listen unix:/run/ember/emberhostd.sock");
  }
  options.socket = std::filesystem::absolute(listen.substr(kUnix.size()));
  return absl::OkStatus();
}

// What the flags said; merged over defaults and file afterwards.
struct Flags {
  std::string state_dir;
  std::string listen;
  std::string config;
  std::string log_level;
  bool allow_insecure_local = false;
};

absl::StatusOr<Options> Merge(const Flags& flags) {
  Options options;
  std::optional<std::filesystem::path> named;
  if (!flags.state_dir.empty())
    named = std::filesystem::absolute(flags.state_dir).lexically_normal();
  options.state_dir = named.value_or(DefaultStateDir());
  options.socket = DefaultSocket(named);
  if (!flags.config.empty()) RETURN_IF_ERROR(ApplyConfigFile(flags.config, options));
  if (!flags.listen.empty()) RETURN_IF_ERROR(ParseListen(flags.listen, options));
  if (!flags.log_level.empty()) {
    RETURN_IF_ERROR(Annotate(SetLogLevel(YAML::Node(flags.log_level), options),
                             fmt::format("--log-level '{}'", flags.log_level)));
  }
  options.allow_insecure_local = flags.allow_insecure_local;
  return options;
}

}  // namespace

std::filesystem::path DefaultStateDir() {
  if (geteuid() == 0) return "/var/lib/ember";
  if (const auto state = FromEnvironment("XDG_STATE_HOME"); !state.empty()) return state / "ember";
  return FromEnvironment("HOME") / ".local/state/ember";
}

std::filesystem::path DefaultSocket(const std::optional<std::filesystem::path>& named_state_dir) {
  if (named_state_dir.has_value()) return *named_state_dir / "emberhostd.sock";
  if (geteuid() == 0) return "/run/ember/emberhostd.sock";
  if (const auto runtime = FromEnvironment("XDG_RUNTIME_DIR"); !runtime.empty()) {
    return runtime / "ember/emberhostd.sock";
  }
  return DefaultStateDir() / "emberhostd.sock";
}

absl::Status ApplyConfigFile(const std::filesystem::path& file, Options& options) {
  try {
    const YAML::Node root = YAML::LoadFile(file.native());
    if (root.IsNull()) return absl::OkStatus();
    if (!root.IsMap()) return InvalidArgument("{}: is not a map of keys to values", file.native());
    std::set<std::string> seen;
    for (const auto& entry : root) {
      const auto key = entry.first.as<std::string>();
      if (!seen.insert(key).second) {
        return InvalidArgument("{}:{}: '{}' is there twice", file.native(),
                               entry.first.Mark().line + 1, key);
      }
      RETURN_IF_ERROR(ApplyKey(file.native(), entry.first, entry.second, options));
    }
    return absl::OkStatus();
  } catch (const YAML::BadFile&) {
    return NotFound("{}: the configuration file can't be read", file.native());
  } catch (const YAML::Exception& broken) {
    return InvalidArgument("{}:{}: {}", file.native(), broken.mark.line + 1, broken.msg);
  }
}

ParsedCommandLine ParseCommandLine(int argc, char** argv) {
  CLI::App app("emberhostd: owns every VM of one state directory and serves ember.v1.HostService",
               "emberhostd");
  Flags flags;
  app.add_option("--state-dir", flags.state_dir, "where VMs, images, kernels and state.db live");
  app.add_option("--listen", flags.listen, "address of the service: unix:PATH");
  app.add_option("--config", flags.config, "YAML configuration file");
  app.add_option("--log-level", flags.log_level, "trace, debug, info, warn or error");
  app.add_flag("--allow-insecure-local", flags.allow_insecure_local,
               "offer the backend 'local', which isolates nothing (tests and benchmarks)");
  app.set_version_flag("--version", "emberhostd " EMBER_VERSION);
  app.footer("Example:\n  emberhostd --state-dir ~/.local/state/ember --log-level debug");
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    return {std::nullopt, app.help(), 0};
  } catch (const CLI::CallForVersion&) {
    return {std::nullopt, "emberhostd " EMBER_VERSION "\n", 0};
  } catch (const CLI::ParseError& error) {
    return {std::nullopt, fmt::format("error: {}\nhint: see 'emberhostd --help'\n", error.what()),
            2};
  }
  auto options = Merge(flags);
  if (options.ok()) return {*std::move(options), "", 0};
  std::string text = fmt::format("error: {}\n", Message(options.status()));
  if (const auto hint = HintOf(options.status()); hint.has_value())
    text += fmt::format("hint: {}\n", *hint);
  return {std::nullopt, text, 2};
}

}  // namespace ember::daemon
