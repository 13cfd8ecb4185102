#include "guest-agent/boot/kernel_modules.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "base/file.h"
#include "base/status.h"
#include "base/unique_fd.h"

namespace ember::agent {
namespace {

absl::Status Load(const std::filesystem::path& path) {
  const UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return ErrnoStatus(errno, path.native());
  if (syscall(SYS_finit_module, file.get(), "", 0) == 0 || errno == EEXIST) {
    return absl::OkStatus();
  }
  return ErrnoStatus(errno, path.native());
}

}  // namespace

std::vector<std::string> ParseModuleOrder(std::string_view text) {
  std::vector<std::string> names;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    while (!line.empty() && (line.back() == ' ' || line.back() == '\r')) line.remove_suffix(1);
    while (!line.empty() && line.front() == ' ') line.remove_prefix(1);
    if (line.ends_with(".ko")) line.remove_suffix(3);
    if (line.empty() || line.front() == '#' || line.find('/') != std::string_view::npos) continue;
    names.emplace_back(line);
  }
  return names;
}

void LoadKernelModules(const std::filesystem::path& folder, const Log& log) {
  const auto order = ReadFile(folder / "order");
  if (!order.ok()) return;
  for (const std::string& name : ParseModuleOrder(*order)) {
    const absl::Status status = Load(folder / (name + ".ko"));
    log.Trace("module", {{"name", name}});
    if (!status.ok()) log.Warn("kernel module failed", {{"reason", std::string(Message(status))}});
  }
}

}  // namespace ember::agent
