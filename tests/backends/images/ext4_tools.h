#pragma once

#include <filesystem>
#include <string>

#include "absl/time/time.h"
#include "base/subprocess.h"
#include "tests/support/status_matchers.h"

// What e2fsprogs say about an image: a second opinion that shares no code of ours.
namespace ember::testing {

inline bool HasExt4Tools() {
  return FindProgram("e2fsck").has_value() && FindProgram("debugfs").has_value();
}

// Empty when e2fsck finds nothing to complain about, else its words.
inline std::string FsckComplaint(const std::filesystem::path& image) {
  ToolOptions tool;
  tool.argv = {"e2fsck", "-fn", image.native()};
  const ToolResult result = ValueOf(RunTool(tool, Cancellation::After(absl::Seconds(60))));
  return result.exit.code == 0 ? "" : result.out + result.err;
}

// What a debugfs request prints.
inline std::string Debugfs(const std::filesystem::path& image, const std::string& request) {
  ToolOptions tool;
  tool.argv = {"debugfs", "-R", request, image.native()};
  return ValueOf(RunTool(tool, Cancellation::After(absl::Seconds(60)))).out;
}

inline bool Contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace ember::testing
