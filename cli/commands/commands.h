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
Action DefineVmConsole(Arguments& arguments);
Action DefineVmWait(Arguments& arguments);
Action DefineExec(Arguments& arguments);
Action DefineEvents(Arguments& arguments);
Action DefineImageImport(Arguments& arguments);
Action DefineImageBuild(Arguments& arguments);
Action DefineImageList(Arguments& arguments);
Action DefineImageInspect(Arguments& arguments);
Action DefineImageDelete(Arguments& arguments);
Action DefineKernelAdd(Arguments& arguments);
Action DefineKernelList(Arguments& arguments);
Action DefineKernelDelete(Arguments& arguments);

}  // namespace ember::cli
