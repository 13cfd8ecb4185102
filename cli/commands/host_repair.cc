#include <algorithm>
#include <memory>

#include "base/status_macros.h"
#include "cli/commands/anomaly_text.h"
#include "cli/commands/commands.h"
#include "cli/exit_code.h"
#include "cli/json.h"

namespace ember::cli {
namespace {

struct Options {
  bool dry_run = false;
};

// Nothing of it is left for a person to do.
bool IsSettled(const v1::RepairHostResponse::Repair& repair) {
  return !repair.action().empty() && repair.error().empty();
}

absl::StatusOr<int> Run(const Options& options, Invocation& invocation) {
  v1::RepairHostRequest request;
  request.set_dry_run(options.dry_run);
  ASSIGN_OR_RETURN(const auto client, invocation.Connect());
  Progress progress(invocation.progress_style());
  progress.Step(options.dry_run ? "looking for what to repair" : "repairing this host");
  ASSIGN_OR_RETURN(const v1::RepairHostResponse done,
                   client->RepairHost(request, {.progress = &progress}));
  progress.Clear();
  const RepairRun run = options.dry_run ? RepairRun::kDry : RepairRun::kReal;
  const bool json = invocation.format() == Format::kJson;
  invocation.Print(json ? JsonText(done) : RepairTableText(done, run));
  const auto& repairs = done.repairs();
  return std::all_of(repairs.begin(), repairs.end(), IsSettled) ? kDone : kFailed;
}

}  // namespace

Action DefineHostRepair(Arguments& arguments) {
  auto options = std::make_shared<Options>();  // shared: the action outlives this call
  arguments.Flag("--dry-run", options->dry_run, "Only show what would be done");
  return [options](Invocation& invocation) { return Run(*options, invocation); };
}

}  // namespace ember::cli
