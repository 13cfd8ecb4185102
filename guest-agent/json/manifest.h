#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace ember::agent {

// How a checkpoint keeps its workspace: in the directory "workspace", or in "workspace.tar.gz".
enum class WorkspaceMethod { kReflink, kTarGz };

inline constexpr const char* kWorkspaceFolder = "workspace";
inline constexpr const char* kWorkspaceArchive = "workspace.tar.gz";
// The scratch files: "/tmp/a/b" is "tmp/a/b" there.
inline constexpr const char* kScratchFolder = "tmp";
inline constexpr const char* kManifestFile = "manifest.json";

// What a checkpoint says about itself.
struct Manifest {
  std::optional<std::string> name;
  WorkspaceMethod method = WorkspaceMethod::kReflink;
  std::vector<std::string> tmp_files;  // paths, each strictly under /tmp
};

std::string TextOf(const Manifest& manifest);

// InvalidArgument for what is no manifest, or names files elsewhere. Not trusted: whoever may write
// below the root of the checkpoints may have made it.
absl::StatusOr<Manifest> ParseManifest(std::string_view text);

}  // namespace ember::agent
