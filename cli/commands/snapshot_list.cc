#include <memory>
#include <string>

#include "base/size.h"
#include "base/status_macros.h"
#include "cli/commands/commands.h"
#include "cli/exit_code.h"
#include "cli/fork_calls.h"
#include "cli/snapshot_json.h"
#include "cli/table.h"
#include "cli/words.h"

namespace ember::cli {
namespace {

std::string SnapshotTableText(const v1::ListSnapshotsResponse& list) {
  Table table({"VM", "NAME", "CREATED", "DISK"});
  for (const v1::Snapshot& snapshot : list.snapshots()) {
    table.Add({snapshot.vm(), snapshot.name(), TimeText(snapshot.created_at()),
               FormatSize(snapshot.disk_bytes())});
  }
  return table.Text();
}

}  // namespace

Action DefineSnapshotList(Arguments& arguments) {
  auto vm = std::make_shared<std::string>();  // shared: the action outlives this call
  arguments.Positional("VM", *vm, "Only those of this VM", Need::kOptional);
  return [vm](Invocation& invocation) -> absl::StatusOr<int> {
    v1::ListSnapshotsRequest request;
    request.set_vm(*vm);
    ASSIGN_OR_RETURN(const auto client, invocation.Connect());
    ASSIGN_OR_RETURN(const v1::ListSnapshotsResponse list, ListSnapshots(*client, request));
    const bool json = invocation.format() == Format::kJson;
    invocation.Print(json ? JsonText(list) : SnapshotTableText(list));
    return kDone;
  };
}

}  // namespace ember::cli
