#include <cstddef>
#include <cstdint>
#include <set>
#include <string>

#include "base/check.h"
#include "guest-agent/detached_process.h"
#include "guest-agent/process_table.h"
#include "guest-agent/restart_state.h"

// What an agent may find in the state that another left: whatever is read can be taken up.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  using ember::agent::DetachedProcess;
  const auto processes =
      ember::agent::ParseRestartState({reinterpret_cast<const char*>(bytes), size});
  if (!processes.ok()) return 0;
  std::set<std::string> tags;
  std::set<int> descriptors;
  for (const ember::agent::RecordedProcess& process : *processes) {
    EMBER_CHECK(ember::agent::CheckTag(process.about.tag()).ok());
    EMBER_CHECK(tags.insert(process.about.tag()).second);
    EMBER_CHECK(process.output.end() - process.output.begin() <= DetachedProcess::kOutputKept);
    for (const int fd : {process.input_fd, process.output_fd, process.error_fd}) {
      EMBER_CHECK(fd == -1 || (process.about.running() && fd > 2 && descriptors.insert(fd).second));
    }
  }
  return 0;
}
