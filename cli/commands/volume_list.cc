#include <string>

#include "base/size.h"
#include "base/status_macros.h"
#include "cli/commands/commands.h"
#include "cli/exit_code.h"
#include "cli/table.h"
#include "cli/volume_calls.h"
#include "cli/volume_json.h"
#include "cli/words.h"

namespace ember::cli {
namespace {

std::string TableText(const v1::ListVolumesResponse& list) {
  Table table({"NAME", "SIZE", "FS", "ATTACHED TO", "CREATED"});
  for (const v1::Volume& volume : list.volumes()) {
    table.Add({volume.name(), FormatSize(volume.size_bytes()), volume.filesystem(),
               volume.attached_to(), TimeText(volume.created_at())});
  }
  return table.Text();
}

}  // namespace

Action DefineVolumeList(Arguments&) {
  return [](Invocation& invocation) -> absl::StatusOr<int> {
    ASSIGN_OR_RETURN(const auto client, invocation.Connect());
    ASSIGN_OR_RETURN(const v1::ListVolumesResponse list, ListVolumes(*client));
    invocation.Print(invocation.format() == Format::kJson ? JsonText(list) : TableText(list));
    return kDone;
  };
}

}  // namespace ember::cli
