#include "backends/images/debian_rootfs.h"

#include <unistd.h>

#include <fstream>
#include <string_view>

#include "absl/strings/str_join.h"
#include "backends/images/apt_client.h"
#include "backends/images/tool_environment.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "base/subprocess.h"

namespace ember::images {
namespace {

constexpr char kMergedUsrHooks[] = "/usr/share/mmdebstrap/hooks/merged-usr";

bool HasSubordinateIds() {
  const char* login = getenv("USER");
  const std::string by_id = std::to_string(getuid()) + ":";
  const std::string by_name = login != nullptr ? std::string(login) + ":" : by_id;
  std::ifstream file("/etc/subuid");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(by_id) || line.starts_with(by_name)) return true;
  }
  return false;
}

std::string Mode() {
  if (geteuid() == 0) return "root";
  return HasSubordinateIds() && FindProgram("newuidmap").has_value() ? "unshare" : "fakechroot";
}

// As root, mmdebstrap mounts parts of the host below its folder. In namespaces of its own those
// mounts are not ours to see, so that no removal of the folder can reach the host through them, and
// they end together with every process in there, however that comes.
std::vector<std::string> Isolation() {
  if (geteuid() != 0) return {};
  return {"unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--"};
}

// Passes each whole line of the tool's words on.
class LineReporter {
 public:
  explicit LineReporter(const ProgressSink& sink) : sink_(sink) {}

  void Add(std::string_view text) {
    for (const char c : text) {
      if (c != '\n' && c != '\r') {
        line_.push_back(c);
        continue;
      }
      if (!line_.empty()) Report(sink_, {"installing", line_});
      if (line_.starts_with("E: ")) last_error_ = line_.substr(3);
      line_.clear();
    }
  }
  const std::string& last_error() const { return last_error_; }

 private:
  const ProgressSink& sink_;
  std::string line_;
  std::string last_error_;
};

}  // namespace

absl::StatusOr<std::filesystem::path> MakeDebianTar(const std::string& suite,
                                                    const std::vector<std::string>& packages,
                                                    const std::filesystem::path& scratch,
                                                    const ProgressSink& sink,
                                                    const Cancellation& cancellation) {
  RETURN_IF_ERROR(CheckDebianNames(suite, packages));
  if (!FindProgram("mmdebstrap").has_value()) {
    return WithHint(FailedPrecondition("program 'mmdebstrap' is needed to build Debian images"),
                    "run 'apt-get install mmdebstrap'");
  }
  AptClient apt(scratch);
  ASSIGN_OR_RETURN(const auto targets, apt.IndexTargets(kSourceTargetFormat, cancellation));
  ASSIGN_OR_RETURN(const std::vector<std::string> sources, SourcesFor(suite, targets));
  std::vector<std::string> include = {"usr-is-merged"};
  include.insert(include.end(), packages.begin(), packages.end());
  const std::filesystem::path tar = scratch / "rootfs.tar";

  LineReporter reporter(sink);
  ToolOptions tool;
  tool.argv = Isolation();
  for (const std::string& word :
       {std::string("mmdebstrap"), "--mode=" + Mode(), std::string("--variant=minbase"),
        std::string("--format=tar"), "--include=" + absl::StrJoin(include, ","),
        std::string("--hook-dir=") + kMergedUsrHooks, suite, tar.native()}) {
    tool.argv.push_back(word);
  }
  tool.argv.insert(tool.argv.end(), sources.begin(), sources.end());
  // The same packages give the same archive.
  tool.env = ToolEnvironment({"SOURCE_DATE_EPOCH=0", "TMPDIR=" + scratch.native()});
  tool.on_stderr = [&reporter](std::string_view text) { reporter.Add(text); };
  ASSIGN_OR_RETURN(const ToolResult result, RunTool(tool, cancellation));
  if (result.exit.code == 0) return tar;
  return Unavailable(
      "mmdebstrap {} failed: {}", suite,
      reporter.last_error().empty() ? result.exit.Describe() : reporter.last_error());
}

std::vector<ListedEntry> DebianReplacements() {
  std::vector<ListedEntry> list(2);
  list[0].entry.path = "etc/hostname";
  list[0].content = "ember\n";
  list[1].entry.path = "etc/resolv.conf";
  return list;
}

}  // namespace ember::images
