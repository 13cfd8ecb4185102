#pragma once

#include "cli/command.h"

// One function per command, each in the file of its name; command_table.cc lists them.
namespace ember::cli {

Action DefineVersion(Arguments& arguments);
Action DefineDoctor(Arguments& arguments);
Action DefineDaemonStart(Arguments& arguments);
Action DefineDaemonStop(Arguments& arguments);
Action DefineDaemonStatus(Arguments& arguments);
Action DefineHostInfo(Arguments& arguments);
Action DefineHostCheck(Arguments& arguments);
Action DefineHostRepair(Arguments& arguments);
Action DefineVmCreate(Arguments& arguments);
Action DefineVmStart(Arguments& arguments);
Action DefineVmStop(Arguments& arguments);
Action DefineVmRestart(Arguments& arguments);
Action DefineVmPause(Arguments& arguments);
Action DefineVmResume(Arguments& arguments);
Action DefineVmRename(Arguments& arguments);
Action DefineVmUpdate(Arguments& arguments);
Action DefineVmDelete(Arguments& arguments);
Action DefineVmList(Arguments& arguments);
Action DefineVmInspect(Arguments& arguments);
Action DefineVmFork(Arguments& arguments);
Action DefineSnapshotCreate(Arguments& arguments);
Action DefineSnapshotList(Arguments& arguments);
Action DefineSnapshotRestore(Arguments& arguments);
Action DefineSnapshotDelete(Arguments& arguments);
Action DefineVmConsole(Arguments& arguments);
Action DefineVmWait(Arguments& arguments);
Action DefineVmResize(Arguments& arguments);
Action DefineVmStats(Arguments& arguments);
Action DefineVolumeCreate(Arguments& arguments);
Action DefineVolumeList(Arguments& arguments);
Action DefineVolumeDelete(Arguments& arguments);
Action DefineForwardAdd(Arguments& arguments);
Action DefineForwardList(Arguments& arguments);
Action DefineForwardRemove(Arguments& arguments);
Action DefineProxy(Arguments& arguments);
Action DefineExec(Arguments& arguments);
Action DefineCp(Arguments& arguments);
Action DefineFsLs(Arguments& arguments);
Action DefineFsStat(Arguments& arguments);
Action DefineFsCat(Arguments& arguments);
Action DefineFsRm(Arguments& arguments);
Action DefineFsMkdir(Arguments& arguments);
Action DefineEvents(Arguments& arguments);
Action DefinePs(Arguments& arguments);
Action DefineLogs(Arguments& arguments);
Action DefineAttach(Arguments& arguments);
Action DefineKill(Arguments& arguments);
Action DefineImagePull(Arguments& arguments);
Action DefineImageLoad(Arguments& arguments);
Action DefineImageSave(Arguments& arguments);
Action DefineImageTag(Arguments& arguments);
Action DefineImagePrune(Arguments& arguments);
Action DefineImageImport(Arguments& arguments);
Action DefineImageBuild(Arguments& arguments);
Action DefineImageList(Arguments& arguments);
Action DefineImageInspect(Arguments& arguments);
Action DefineImageDelete(Arguments& arguments);
Action DefineKernelAdd(Arguments& arguments);
Action DefineKernelList(Arguments& arguments);
Action DefineKernelInspect(Arguments& arguments);
Action DefineKernelSetDefault(Arguments& arguments);
Action DefineKernelDelete(Arguments& arguments);
Action DefineStorageUsage(Arguments& arguments);
Action DefineStoragePrune(Arguments& arguments);

}  // namespace ember::cli
