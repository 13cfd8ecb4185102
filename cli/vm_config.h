#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "cli/volume_spec.h"

// What somebody wants a new VM to be: on the command line, in a --vm-config file, or in both.
// docs/vm-config.md describes the file.
namespace ember::cli {

// What is unset, the daemon decides by its configuration and its defaults.
struct VmConfig {
  std::optional<std::string> name;
  std::optional<std::string> image;
  std::optional<std::string> kernel;
  std::optional<uint64_t> cpus;     // at least 1
  std::optional<uint64_t> memory;   // bytes, whole MiB
  std::optional<uint64_t> disk;     // bytes, of the root disk
  std::vector<VolumeSpec> volumes;  // data disks
  std::optional<std::string> backend;
  std::optional<std::string> init;  // of InitWords()
  std::optional<std::string> boot_args;
  std::map<std::string, std::string> labels;
  std::optional<std::string> restart;  // of RestartWords()
  std::optional<bool> autostart;
  std::optional<bool> rm;              // delete it as soon as it has stopped
  std::optional<absl::Duration> ttl;   // at least a second
  std::optional<bool> run;             // start what the image is there for, with every boot
  std::optional<bool> start;           // false: create it without starting it
  std::optional<absl::Duration> wait;  // for the agent; zero: not at all

  friend bool operator==(const VmConfig&, const VmConfig&) = default;
};

// "auto", "agent".
const std::vector<std::string>& InitWords();
// "no", "on-failure", "always".
const std::vector<std::string>& RestartWords();

// Reads YAML: one document, a map with keys of VmConfig's names; quotes around a value make no
// difference. `file` is what the errors call it. InvalidArgument names the file, the line and the
// key, and says what is expected; an unknown key's hint is the nearest known one.
absl::StatusOr<VmConfig> ParseVmConfig(std::string_view text, std::string_view file);

// Reads and parses a file, or stdin when `path` is "-". A file that can't be read keeps the code of
// its failure.
absl::StatusOr<VmConfig> ReadVmConfig(const std::string& path);

// `below` where `above` is unset. Labels are merged key by key, volumes by name.
VmConfig MergedVmConfig(const VmConfig& below, const VmConfig& above);

}  // namespace ember::cli
