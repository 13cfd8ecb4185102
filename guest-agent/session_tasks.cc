#include <algorithm>
#include <array>

#include "guest-agent/session_task.h"

namespace ember::agent {
namespace {

using v1::ClientFrame;

struct Entry {
  ClientFrame::KindCase request;
  std::string_view capability;
  StartTask* start;
};

constexpr auto kTasks = std::to_array<Entry>({
    {ClientFrame::kExecStart, "exec", StartExecTask},
    {ClientFrame::kShutdown, "shutdown", StartShutdownTask},
    {ClientFrame::kGetStats, "care", StartGetStatsTask},
    {ClientFrame::kWaitPort, "care", StartWaitPortTask},
    {ClientFrame::kSetClock, "care", StartSetClockTask},
    {ClientFrame::kListProcesses, "processes", StartListProcessesTask},
    {ClientFrame::kFollowProcess, "processes", StartFollowTask},
    {ClientFrame::kSignalProcess, "processes", StartSignalProcessTask},
    {ClientFrame::kReadTree, "files", StartReadTreeTask},
    {ClientFrame::kWriteTree, "files", StartWriteTreeTask},
    {ClientFrame::kListDirectory, "files", StartListDirectoryTask},
    {ClientFrame::kStatFile, "files", StartStatFileTask},
    {ClientFrame::kRemoveFile, "files", StartRemoveFileTask},
    {ClientFrame::kMakeDirectory, "files", StartMakeDirectoryTask},
    {ClientFrame::kConnectStream, "streams", StartConnectTask},
    {ClientFrame::kListen, "streams", StartListenTask},
    {ClientFrame::kAcceptStream, "streams", StartAcceptTask},
    {ClientFrame::kFreezeFilesystems, "storage", StartFreezeTask},
    {ClientFrame::kGrowFilesystem, "storage", StartGrowTask},
    {ClientFrame::kOpenDatagrams, "streams", StartDatagramTask},
});

}  // namespace

StartTask* FindTask(ClientFrame::KindCase request) {
  const auto* found = std::find_if(kTasks.begin(), kTasks.end(), [request](const Entry& entry) {
    return entry.request == request;
  });
  return found == kTasks.end() ? nullptr : found->start;
}

std::vector<std::string_view> Capabilities() {
  std::vector<std::string_view> capabilities = {"tty"};
  for (const Entry& entry : kTasks) {
    if (std::find(capabilities.begin(), capabilities.end(), entry.capability) ==
        capabilities.end()) {
      capabilities.push_back(entry.capability);
    }
  }
  return capabilities;
}

}  // namespace ember::agent
