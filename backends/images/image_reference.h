#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace ember::images {

// Which image of which registry, by the rules that Docker's users know: "alpine" means
// docker.io/library/alpine:latest, "team/tool:2" is on docker.io, too, and a first part with a dot
// or a port, or "localhost", is a registry ("host:5000/a/b"). A value.
struct ImageReference {
  std::string registry;    // "docker.io", "localhost:5000"
  std::string repository;  // "library/alpine"
  std::string tag;         // empty only where there is a digest
  std::string digest;      // "sha256:…"; empty: what the tag says now

  // As people write it: without what is understood ("docker.io/", "library/", ":latest"). Parsing
  // it gives the same reference; images carry it as their name.
  std::string Familiar() const;
  // With every part: "docker.io/library/alpine:latest".
  std::string Full() const;

  friend bool operator==(const ImageReference&, const ImageReference&) = default;
};

// Parses either form. InvalidArgument says which part broke which rule. Repository names are taken
// a little wider than registries take them ("a--b", "x."): every name that a local image can have
// is a reference.
absl::StatusOr<ImageReference> ParseImageReference(std::string_view text);

}  // namespace ember::images
