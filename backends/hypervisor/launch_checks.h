#pragma once

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backends/hypervisor/machine_spec.h"
#include "base/subprocess.h"

// What every backend asks of its input before it starts or touches anything.
namespace ember::hypervisor {

// The ids are there, the directory exists and the sockets' paths are short enough. `sockets` are
// those the backend will make. Errors: InvalidArgument, FailedPrecondition.
absl::Status CheckSpec(const MachineSpec& spec, const std::vector<std::filesystem::path>& sockets);

// `path` is a regular file that we may read; `what` names it in the error ("kernel").
absl::Status CheckReadable(const std::filesystem::path& path, std::string_view what);

// The process of a handle, when it still lives and, where we may look, carries the handle's tags.
// NotFound otherwise.
absl::StatusOr<Process> OpenMember(const MachineHandle& handle, const ProcessIdentity& identity);

// The handle of a machine that is started from `spec`; its processes are still empty.
MachineHandle HandleFor(const MachineSpec& spec, std::string_view backend,
                        std::string_view accelerator);

// Removes what is there of these socket files.
void RemoveSockets(const std::vector<std::filesystem::path>& sockets);

}  // namespace ember::hypervisor
