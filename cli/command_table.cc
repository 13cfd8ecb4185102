#include "cli/command_table.h"

#include <algorithm>
#include <array>

#include "cli/commands/commands.h"
#include "cli/exit_code.h"

namespace ember::cli {
namespace {

constexpr auto kCommands = std::to_array<Command>({
    {"vm", "create", "Create a VM from an image and start it",
     "ember vm create dev --image debian --cpus 2 --memory 1G --ttl 8h", DefineVmCreate,
     ExitCodeOf},
    {"vm", "start", "Start a VM that was stopped or never started", "ember vm start dev",
     DefineVmStart, ExitCodeOf},
    {"vm", "stop", "Stop a VM, or all of them", "ember vm stop dev --grace 5s", DefineVmStop,
     ExitCodeOf},
    {"vm", "restart", "Stop a VM if it runs, and start it", "ember vm restart dev --grace 5s",
     DefineVmRestart, ExitCodeOf},
    {"vm", "pause", "Freeze a VM that runs", "ember vm pause dev", DefineVmPause, ExitCodeOf},
    {"vm", "resume", "Let a paused VM go on", "ember vm resume dev", DefineVmResume, ExitCodeOf},
    {"vm", "rename", "Give a VM that is off another name", "ember vm rename dev old-dev",
     DefineVmRename, ExitCodeOf},
    {"vm", "update", "Change the configuration of a VM that is off",
     "ember vm update dev --cpus 4 --memory 2G --label team=core", DefineVmUpdate, ExitCodeOf,
     "update-config"},
    {"vm", "delete", "Delete a VM and its disk, or all of them", "ember vm delete dev --force",
     DefineVmDelete, ExitCodeOf},
    {"vm", "list", "List the VMs", "ember vm list --filter label=team=core --status running",
     DefineVmList, ExitCodeOf},
    {"vm", "inspect", "Show everything about a VM", "ember vm inspect dev --format json",
     DefineVmInspect, ExitCodeOf},
    {"vm", "console", "Show what a VM printed on its console", "ember vm console dev --follow",
     DefineVmConsole, ExitCodeOf},
    {"vm", "wait", "Wait until a VM's agent is ready, or until it has stopped",
     "ember vm wait dev --for agent --timeout 30s", DefineVmWait, ExitCodeOf},
    {"exec", "", "Run a command in a VM", "ember exec dev -- make test", DefineExec,
     ExecExitCodeOf},
    {"events", "", "Show what happens to the VMs", "ember events --vm dev", DefineEvents,
     ExitCodeOf},
    {"image", "build", "Build an image from Debian packages",
     "ember image build debian --from debian:bookworm --packages git,make", DefineImageBuild,
     ExitCodeOf},
    {"image", "import", "Make an image from a tar file or a directory",
     "ember image import app ./rootfs.tar.gz --size 4G", DefineImageImport, ExitCodeOf},
    {"image", "list", "List the images", "ember image list", DefineImageList, ExitCodeOf},
    {"image", "inspect", "Show everything about an image", "ember image inspect debian",
     DefineImageInspect, ExitCodeOf},
    {"image", "delete", "Delete an image", "ember image delete debian", DefineImageDelete,
     ExitCodeOf},
    {"kernel", "add", "Add a kernel: Debian's, or one of your own", "ember kernel add debian",
     DefineKernelAdd, ExitCodeOf},
    {"kernel", "list", "List the kernels", "ember kernel list", DefineKernelList, ExitCodeOf},
    {"kernel", "delete", "Delete a kernel", "ember kernel delete debian", DefineKernelDelete,
     ExitCodeOf},
    {"daemon", "start", "Start the daemon and wait until it answers", "ember daemon start",
     DefineDaemonStart, ExitCodeOf},
    {"daemon", "stop", "Stop the daemon; its VMs go on", "ember daemon stop", DefineDaemonStop,
     ExitCodeOf},
    {"daemon", "status", "Show whether the daemon runs", "ember daemon status", DefineDaemonStatus,
     ExitCodeOf},
    {"host", "info", "Show the host that the VMs run on", "ember host info --format json",
     DefineHostInfo, ExitCodeOf},
    {"host", "check", "Check that what the daemon has recorded is so",
     "ember host check --format json", DefineHostCheck, ExitCodeOf},
    {"host", "repair", "Put right what the check finds, where that is safe",
     "ember host repair --dry-run", DefineHostRepair, ExitCodeOf},
    {"doctor", "", "Check what this host can do and what it lacks", "ember doctor", DefineDoctor,
     ExitCodeOf},
    {"version", "", "Show the versions of this program and of the daemon", "ember version --client",
     DefineVersion, ExitCodeOf},
});

}  // namespace

std::span<const Command> CommandTable() { return kCommands; }

const Command* FindCommand(std::string_view noun, std::string_view verb) {
  const auto found = std::find_if(kCommands.begin(), kCommands.end(), [&](const Command& command) {
    const bool named = command.verb == verb || (!verb.empty() && command.alias == verb);
    return command.noun == noun && named;
  });
  return found == kCommands.end() ? nullptr : &*found;
}

bool IsNoun(std::string_view noun) {
  return std::any_of(kCommands.begin(), kCommands.end(),
                     [&](const Command& command) { return command.noun == noun; });
}

bool TakesVerb(std::string_view noun) { return FindCommand(noun, "") == nullptr; }

}  // namespace ember::cli
