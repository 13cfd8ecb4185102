#include <algorithm>

#include "base/status_macros.h"
#include "cli/commands/anomaly_text.h"
#include "cli/commands/commands.h"
#include "cli/exit_code.h"
#include "cli/json.h"

namespace ember::cli {
namespace {

absl::StatusOr<int> Run(Invocation& invocation) {
  ASSIGN_OR_RETURN(const auto client, invocation.Connect());
  Progress progress(invocation.progress_style());
  progress.Step("checking what is recorded against this host");
  ASSIGN_OR_RETURN(const v1::CheckHostResponse found, client->CheckHost({.progress = &progress}));
  progress.Clear();
  const bool json = invocation.format() == Format::kJson;
  invocation.Print(json ? JsonText(found) : AnomalyTableText(found));
  const auto& anomalies = found.anomalies();
  if (std::any_of(anomalies.begin(), anomalies.end(),
                  [](const v1::Anomaly& anomaly) { return anomaly.repairable(); })) {
    invocation.NoteHint("ember host repair --dry-run");
  }
  return anomalies.empty() ? kDone : kFailed;
}

}  // namespace

Action DefineHostCheck(Arguments&) { return Run; }

}  // namespace ember::cli
