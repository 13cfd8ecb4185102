#include "tests/bench/vsock/initramfs.h"

#include <array>
#include <optional>
#include <string_view>

#include "base/file.h"
#include "base/status.h"
#include "base/status_macros.h"

namespace ember::bench {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 8> kModules = {
    "virtio_ring",
    "virtio",
    "virtio_pci_modern_dev",
    "virtio_pci_legacy_dev",
    "virtio_pci",
    "vsock",
    "vmw_vsock_virtio_transport_common",
    "vmw_vsock_virtio_transport",
};
constexpr unsigned kDirectory = 0040755;
constexpr unsigned kProgram = 0100755;
constexpr unsigned kCharDevice = 0020600;

void Pad(std::string& archive) { archive.resize((archive.size() + 3) / 4 * 4); }

void AppendEntry(std::string_view name, unsigned mode, std::string_view content,
                 std::string& archive, unsigned major = 0, unsigned minor = 0) {
  archive += fmt::format("070701{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}", 0, mode, 0, 0, 1, 0,
                         content.size());
  archive +=
      fmt::format("{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}", 0, 0, major, minor, name.size() + 1, 0);
  archive.append(name).push_back('\0');
  Pad(archive);
  archive.append(content);
  Pad(archive);
}

std::optional<fs::path> FindModule(const fs::path& modules, std::string_view name) {
  std::error_code error;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(modules, error)) {
    if (entry.path().filename() == fmt::format("{}.ko", name)) return entry.path();
  }
  return std::nullopt;
}

}  // namespace

absl::StatusOr<std::string> MakeInitramfs(const fs::path& init, const fs::path& modules) {
  std::string archive;
  AppendEntry("dev", kDirectory, "", archive);
  AppendEntry("dev/console", kCharDevice, "", archive, 5, 1);
  AppendEntry("modules", kDirectory, "", archive);
  for (size_t i = 0; i < kModules.size(); ++i) {
    const std::optional<fs::path> path = FindModule(modules, kModules[i]);
    if (!path.has_value()) {
      return NotFound("{}: no module {}.ko below it", modules.native(), kModules[i]);
    }
    ASSIGN_OR_RETURN(const std::string content, ReadFile(*path));
    AppendEntry(fmt::format("modules/{:02}-{}.ko", i, kModules[i]), kProgram, content, archive);
  }
  ASSIGN_OR_RETURN(const std::string program, ReadFile(init));
  AppendEntry("init", kProgram, program, archive);
  AppendEntry("TRAILER!!!", 0, "", archive);
  return archive;
}

}  // namespace ember::bench
