#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "base/log.h"
#include "base/size.h"

namespace ember::daemon {

// What emberhostd was told to do: built-in defaults, then the configuration file, then the command
// line. docs/configuration.md lists the file's keys.
struct Options {
  std::filesystem::path
      state_dir;  // default: /var/lib/ember, or $XDG_STATE_HOME/ember for a non-root user
  std::filesystem::path socket;  // default: see DefaultSocket
  LogLevel log_level = LogLevel::kInfo;
  std::string default_backend = "qemu";
  bool allow_insecure_local =
      false;                      // offers the backend without isolation: tests and benchmarks only
  std::string accelerator;        // "kvm" or "tcg" without a probe; empty: probe
  double boot_sign_seconds = 40;  // a boot that is silent for so long is started anew, once
  // What VMs get that leave it open.
  uint32_t default_vcpus = 1;
  uint32_t default_memory_mib = 512;
  uint64_t default_disk_bytes = 8 * kGiB;
  uint32_t memory_limit_percent = 80;  // of the host's memory, for all guests together; 1 to 100
  std::string subnet;  // address blocks are leased from it; empty: as on record, else 10.100.0.0/16
};

// What to do after parsing: go on with options, or print a text and exit.
struct ParsedCommandLine {
  std::optional<Options> options;
  std::string text;  // for stdout (--help, --version) or stderr (an error)
  int exit_code = 0;
};

ParsedCommandLine ParseCommandLine(int argc, char** argv);

// Where a daemon with this state directory listens when it is not told: next to its state where one
// was named, else /run/ember/emberhostd.sock for root and $XDG_RUNTIME_DIR/ember/emberhostd.sock
// for others (the state directory without XDG_RUNTIME_DIR). `ember` follows the same rule.
std::filesystem::path DefaultSocket(const std::optional<std::filesystem::path>& named_state_dir);
std::filesystem::path DefaultStateDir();

// Reads the YAML file over `options`. InvalidArgument with file, line and the nearest known key.
absl::Status ApplyConfigFile(const std::filesystem::path& file, Options& options);

}  // namespace ember::daemon
