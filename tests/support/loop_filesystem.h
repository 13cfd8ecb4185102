#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"
#include "base/subprocess.h"
#include "tests/support/temp_dir.h"

namespace ember::testing {

// A small filesystem of the given type in a file, mounted through a loop device for the life of
// this object. Needs root and loop devices.
class LoopFilesystem {
 public:
  // Says why there is none in `why_not`.
  LoopFilesystem(const std::string& type, uint64_t size_bytes) {
    const auto image = dir_ / "image";
    if (!Run({"truncate", "-s", std::to_string(size_bytes), image})) return;
    if (!Run({"mkfs." + type, "-q", image})) return;
    std::filesystem::create_directory(dir_ / "mount");
    mounted_ = Run({"mount", "-o", "loop", image, dir_ / "mount"});
  }
  ~LoopFilesystem() {
    if (mounted_) Run({"umount", dir_ / "mount"});
  }
  LoopFilesystem(const LoopFilesystem&) = delete;
  LoopFilesystem& operator=(const LoopFilesystem&) = delete;

  bool mounted() const { return mounted_; }
  const std::string& why_not() const { return why_not_; }
  std::filesystem::path root() const { return dir_ / "mount"; }

  // From now on nothing can be written to it, or everything again. False when files are open for
  // writing.
  bool Remount(std::string_view mode) {
    return Run({"mount", "-o", "remount," + std::string(mode), dir_ / "mount"});
  }

 private:
  bool Run(std::vector<std::string> argv) {
    const auto answer = RunToolForOutput(std::move(argv), Cancellation::After(absl::Seconds(30)));
    if (!answer.ok()) why_not_ = Message(answer.status());
    return answer.ok();
  }

  TempDir dir_;
  bool mounted_ = false;
  std::string why_not_;
};

}  // namespace ember::testing
