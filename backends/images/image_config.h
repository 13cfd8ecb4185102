#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace ember::images {

// How an image wants its processes to run: the part of an OCI image configuration that Ember acts
// on (image-spec v1, config.md, "config"). A value.
struct ImageConfig {
  std::vector<std::string> env;  // "NAME=value", in order; no NUL bytes, each with a name
  std::vector<std::string> entrypoint;
  std::vector<std::string> cmd;
  std::string user;         // "user", "uid", "user:group", "uid:gid"; empty: root
  std::string working_dir;  // absolute; empty: /
  std::map<std::string, std::string> labels;
  std::string stop_signal;                 // "SIGTERM", "15"; empty: SIGTERM
  std::vector<std::string> exposed_ports;  // "80/tcp", sorted
  std::string architecture;                // as Go calls it: "amd64"; empty: not known

  friend bool operator==(const ImageConfig&, const ImageConfig&) = default;
};

// As one line of JSON with sorted keys, empty fields left out: the same config, the same text.
std::string ImageConfigToJson(const ImageConfig& config);
// The reverse. InvalidArgument for anything else.
absl::StatusOr<ImageConfig> ImageConfigFromJson(std::string_view json);

// Reads an OCI or Docker image configuration (the blob that a manifest's "config" names); fields
// that Ember does not know are ignored. InvalidArgument when it is no such document.
absl::StatusOr<ImageConfig> ReadOciImageConfig(std::string_view json);

}  // namespace ember::images
