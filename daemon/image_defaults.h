#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "daemon/exec_session.h"
#include "state/vm_record.h"

// What a VM's image says about its processes, as it was when the VM was made.
namespace ember::daemon {

// The tag of the process that `ember vm create --run` is about.
inline constexpr std::string_view kMainTag = "main";

// The command with the image's environment under its own, and the image's user and working
// directory where it names none. As it is when nothing is known of the image. DataLoss, naming the
// VM, when the stored config can't be read.
absl::StatusOr<ExecCommand> OverImageDefaults(ExecCommand command, const state::VmRecord& vm);

// What the image is there to run: entrypoint and command, detached as kMainTag. FailedPrecondition
// when it says neither.
absl::StatusOr<ExecCommand> MainCommand(const state::VmRecord& vm);

// The signal that asks it to end: the image's, else SIGTERM.
uint32_t StopSignal(const state::VmRecord& vm);

// "SIGTERM", "TERM", "15", "SIGRTMIN+3": its Linux number.
std::optional<uint32_t> SignalNumber(std::string_view text);

}  // namespace ember::daemon
