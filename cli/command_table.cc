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
    {"vm", "fork", "Make a VM whose disk is a clone of another's",
     "ember vm fork dev task-1 --label task=1", DefineVmFork, ExitCodeOf},
    {"vm", "resize", "Grow the disk of a VM, also while it runs",
     "ember vm resize dev --disk-size 20G", DefineVmResize, ExitCodeOf},
    {"vm", "delete", "Delete a VM and its disk, or all of them", "ember vm delete dev --force",
     DefineVmDelete, ExitCodeOf},
    {"vm", "list", "List the VMs", "ember vm list --filter label=team=core --status running",
     DefineVmList, ExitCodeOf},
    {"vm", "inspect", "Show everything about a VM", "ember vm inspect dev --format json",
     DefineVmInspect, ExitCodeOf},
    {"vm", "console", "Show what a VM printed on its console", "ember vm console dev --follow",
     DefineVmConsole, ExitCodeOf},
    {"vm", "wait", "Wait until a VM's agent is ready, a port of it is served, or it has stopped",
     "ember vm wait dev --for port:80 --timeout 30s", DefineVmWait, ExitCodeOf},
    {"vm", "stats", "Show what VMs use", "ember vm stats dev --watch", DefineVmStats, ExitCodeOf},
    {"snapshot", "create", "Keep the disk of a VM as it is now",
     "ember snapshot create dev before-upgrade", DefineSnapshotCreate, ExitCodeOf},
    {"snapshot", "list", "List the snapshots", "ember snapshot list dev", DefineSnapshotList,
     ExitCodeOf},
    {"snapshot", "restore", "Give a VM that is off the disk of a snapshot",
     "ember snapshot restore dev before-upgrade", DefineSnapshotRestore, ExitCodeOf},
    {"snapshot", "delete", "Delete a snapshot", "ember snapshot delete dev before-upgrade",
     DefineSnapshotDelete, ExitCodeOf},
    {"exec", "", "Run a command in a VM", "ember exec dev -- make test", DefineExec,
     ExecExitCodeOf},
    {"ps", "", "List the commands that run in a VM, and the detached ones that have ended",
     "ember ps dev", DefinePs, ExitCodeOf},
    {"logs", "", "Show what a detached command has written",
     "ember logs dev server --follow --tail 64K", DefineLogs, ExitCodeOf},
    {"attach", "", "Go on with a detached command on this terminal", "ember attach dev shell",
     DefineAttach, ExecExitCodeOf},
    {"kill", "", "Send a signal to a detached command", "ember kill dev server --signal INT",
     DefineKill, ExitCodeOf},
    {"cp", "", "Copy files and trees between here and VMs", "ember cp ./src dev:/srv", DefineCp,
     ExitCodeOf},
    {"fs", "ls", "List a directory of a VM", "ember fs ls dev:/etc", DefineFsLs, ExitCodeOf},
    {"fs", "stat", "Show everything about a file of a VM", "ember fs stat dev:/etc/hosts",
     DefineFsStat, ExitCodeOf},
    {"fs", "cat", "Print a file of a VM", "ember fs cat dev:/etc/hosts", DefineFsCat, ExitCodeOf},
    {"fs", "rm", "Remove a file of a VM", "ember fs rm -r dev:/tmp/build", DefineFsRm, ExitCodeOf},
    {"fs", "mkdir", "Make a directory in a VM", "ember fs mkdir -p dev:/srv/src", DefineFsMkdir,
     ExitCodeOf},
    {"forward", "", "Lead a port or socket of the host into a VM, or the reverse",
     "ember forward dev 8080:80", DefineForwardAdd, ExitCodeOf, "add"},
    {"forward", "list", "List the forwards", "ember forward list dev", DefineForwardList,
     ExitCodeOf},
    {"forward", "remove", "End a forward, or all of a VM", "ember forward remove --all dev",
     DefineForwardRemove, ExitCodeOf},
    {"proxy", "", "Join standard input and output to a socket in a VM",
     "ember proxy dev 22    # as ssh's ProxyCommand", DefineProxy, ExitCodeOf},
    {"events", "", "Show what happens to the VMs", "ember events --vm dev", DefineEvents,
     ExitCodeOf},
    {"volume", "create", "Make a data volume, which outlives VMs",
     "ember volume create data --size 20G", DefineVolumeCreate, ExitCodeOf},
    {"volume", "list", "List the data volumes", "ember volume list", DefineVolumeList, ExitCodeOf},
    {"volume", "delete", "Delete a data volume that no VM has", "ember volume delete data",
     DefineVolumeDelete, ExitCodeOf},
    {"image", "pull", "Fetch an image from a registry", "ember image pull alpine:3.19",
     DefineImagePull, ExitCodeOf},
    {"image", "build", "Build an image from a Dockerfile or from Debian packages",
     "ember image build app -f Dockerfile .", DefineImageBuild, ExitCodeOf},
    {"image", "import", "Make an image from a tar file or a directory",
     "ember image import app ./rootfs.tar.gz --size 4G", DefineImageImport, ExitCodeOf},
    {"image", "load", "Read the images of an archive", "ember image load app.tar", DefineImageLoad,
     ExitCodeOf},
    {"image", "save", "Write an image as an archive for docker, podman or another host",
     "ember image save app -o app.tar --format docker", DefineImageSave, ExitCodeOf, "",
     "oci docker"},
    {"image", "list", "List the images", "ember image list", DefineImageList, ExitCodeOf},
    {"image", "inspect", "Show everything about an image", "ember image inspect debian",
     DefineImageInspect, ExitCodeOf},
    {"image", "tag", "Give an image one more name", "ember image tag alpine:3.19 base",
     DefineImageTag, ExitCodeOf},
    {"image", "delete", "Delete an image, or one of its names", "ember image delete debian",
     DefineImageDelete, ExitCodeOf},
    {"image", "prune", "Delete images without a name or a VM, and what pulls have left",
     "ember image prune --all --dry-run", DefineImagePrune, ExitCodeOf},
    {"kernel", "add", "Add a kernel: Debian's, this host's, or one of your own",
     "ember kernel add debian:trixie", DefineKernelAdd, ExitCodeOf},
    {"kernel", "list", "List the kernels", "ember kernel list", DefineKernelList, ExitCodeOf},
    {"kernel", "inspect", "Show what a kernel is and what it can drive",
     "ember kernel inspect debian", DefineKernelInspect, ExitCodeOf},
    {"kernel", "set-default", "Make a kernel the one for VMs that name none",
     "ember kernel set-default debian-trixie", DefineKernelSetDefault, ExitCodeOf},
    {"kernel", "delete", "Delete a kernel", "ember kernel delete debian", DefineKernelDelete,
     ExitCodeOf},
    {"storage", "usage", "Show what VMs, images and the rest take on disk",
     "ember storage usage --format json", DefineStorageUsage, ExitCodeOf},
    {"storage", "prune", "Remove what nothing refers to any more", "ember storage prune --dry-run",
     DefineStoragePrune, ExitCodeOf},
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

bool IsVerbOf(std::string_view noun, std::string_view word) {
  return FindCommand(noun, "") == nullptr || FindCommand(noun, word) != nullptr;
}

}  // namespace ember::cli
