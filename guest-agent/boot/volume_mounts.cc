#include "guest-agent/boot/volume_mounts.h"

#include <sys/mount.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "base/file.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "guest-agent/device_events.h"
#include "guest-agent/mount_table.h"

namespace ember::agent {
namespace {

std::string FirstLine(std::string text) { return text.substr(0, text.find('\n')); }

absl::Status MakeFolders(const std::string& path) {
  for (size_t slash = path.find('/', 1);; slash = path.find('/', slash + 1)) {
    const std::string folder = path.substr(0, slash);
    if (mkdir(folder.c_str(), 0755) != 0 && errno != EEXIST) return ErrnoStatus(errno, folder);
    if (slash == std::string::npos) return absl::OkStatus();
  }
}

// What is on a volume is the guest's choice: every type of the kernel that needs a disk is tried,
// ext4 first, which is what Ember makes.
std::vector<std::string> TypesToTry() {
  std::vector<std::string> types = ParseDiskTypes(ReadFile("/proc/filesystems").value_or(""));
  std::stable_partition(types.begin(), types.end(),
                        [](const std::string& type) { return type == "ext4"; });
  return types;
}

absl::Status MountDisk(const std::string& device, const VolumeMount& volume) {
  const unsigned long flags = volume.read_only ? MS_RDONLY : 0;
  int error = ENODEV;
  for (const std::string& type : TypesToTry()) {
    const char* const target = volume.path.c_str();
    if (mount(device.c_str(), target, type.c_str(), flags, nullptr) == 0) return absl::OkStatus();
    error = errno;
    // A journal that was not written back can't be on a disk that is read-only: what it holds is
    // not seen then.
    const bool journal = volume.read_only && error == EROFS;
    if (journal && mount(device.c_str(), target, type.c_str(), flags, "noload") == 0) {
      return absl::OkStatus();
    }
    if (error != EINVAL) break;  // EINVAL: it is of another type
  }
  return ErrnoStatus(error, fmt::format("mount {} at {}", device, volume.path));
}

absl::Status MountVolume(const VolumeMount& volume, const Cancellation& cancellation) {
  std::string disk;
  const auto there = [&disk, &volume] {
    disk = DiskWithSerial("/sys", volume.name);
    return !disk.empty() && std::filesystem::exists("/dev/" + disk);
  };
  if (!AwaitDevices(there, cancellation).ok()) return NotFound("its disk did not appear");
  RETURN_IF_ERROR(MakeFolders(volume.path));
  return MountDisk("/dev/" + disk, volume);
}

}  // namespace

std::string DiskWithSerial(const std::filesystem::path& sysfs, std::string_view serial) {
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(sysfs / "block", ignored)) {
    const auto found = ReadFile(entry.path() / "serial");
    if (found.ok() && FirstLine(*found) == serial) return entry.path().filename();
  }
  return "";
}

void MountVolumes(const BootOptions& options, const Cancellation& cancellation, const Log& log) {
  for (const VolumeMount& volume : options.volumes) {
    const absl::Status mounted = MountVolume(volume, cancellation);
    if (mounted.ok()) continue;
    log.Error("a volume is not mounted",
              {{"volume", volume.name}, {"reason", std::string(Message(mounted))}});
  }
}

}  // namespace ember::agent
