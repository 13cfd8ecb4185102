#include "backends/hypervisor/launch_checks.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "backends/hypervisor/process_tags.h"
#include "base/file.h"
#include "base/socket.h"
#include "base/status.h"
#include "base/status_macros.h"

namespace ember::hypervisor {

absl::Status CheckSpec(const MachineSpec& spec, const std::vector<std::filesystem::path>& sockets) {
  if (spec.installation_id.empty() || spec.machine_id.empty()) {
    return InvalidArgument("vm '{}': a machine needs an installation id and a machine id",
                           spec.vm_name);
  }
  for (const auto& socket : sockets) RETURN_IF_ERROR(CheckSocketPath(socket));
  // The agent announces itself at port 1026; ports that guests dial may be longer, but not
  // usefully.
  RETURN_IF_ERROR(CheckSocketPath(spec.guest_socket_prefix.native() + "_1026"));
  struct stat info;
  if (stat(spec.dir.c_str(), &info) != 0) {
    return ErrnoStatus(errno, fmt::format("vm directory {}", spec.dir.native()));
  }
  if (!S_ISDIR(info.st_mode)) {
    return FailedPrecondition("vm directory {} is not a directory", spec.dir.native());
  }
  return absl::OkStatus();
}

absl::Status CheckReadable(const std::filesystem::path& path, std::string_view what) {
  // O_NONBLOCK: a pipe at that path must not hold us.
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  if (!fd.valid()) return ErrnoStatus(errno, fmt::format("{} {}", what, path.native()));
  struct stat info;
  if (fstat(fd.get(), &info) != 0 || !S_ISREG(info.st_mode)) {
    return InvalidArgument("{} {} is not a regular file", what, path.native());
  }
  if (info.st_size == 0) return InvalidArgument("{} {} is empty", what, path.native());
  return absl::OkStatus();
}

absl::StatusOr<Process> OpenMember(const MachineHandle& handle, const ProcessIdentity& identity) {
  ASSIGN_OR_RETURN(Process process, Process::Open(identity));
  // Start times count from the host's boot, so after a reboot another process may match by chance.
  const bool readable = ReadFile(fmt::format("/proc/{}/environ", identity.pid)).ok();
  if (readable && MachineOf(identity, handle.installation_id) != handle.machine_id) {
    return NotFound("process {} does not belong to vm '{}'", identity.pid, handle.vm_name);
  }
  return process;
}

MachineHandle HandleFor(const MachineSpec& spec, std::string_view backend,
                        std::string_view accelerator) {
  MachineHandle handle;
  handle.backend = backend;
  handle.installation_id = spec.installation_id;
  handle.machine_id = spec.machine_id;
  handle.vm_name = spec.vm_name;
  handle.dir = spec.dir;
  handle.guest_socket_prefix = spec.guest_socket_prefix;
  handle.guest_cid = spec.guest_cid;
  handle.accelerator = accelerator;
  return handle;
}

void RemoveSockets(const std::vector<std::filesystem::path>& sockets) {
  for (const auto& socket : sockets) unlink(socket.c_str());
}

}  // namespace ember::hypervisor
