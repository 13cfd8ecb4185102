#include "base/status_macros.h"
#include "cli/commands/commands.h"
#include "cli/exit_code.h"
#include "cli/json.h"
#include "cli/table.h"
#include "cli/words.h"

namespace ember::cli {
namespace {

std::string Mark(v1::DoctorCheck::Verdict verdict) {
  switch (verdict) {
    case v1::DoctorCheck::OK:
      return "✓";
    case v1::DoctorCheck::WARNING:
      return "!";
    default:
      return "✗";
  }
}

std::string ReportText(const v1::DoctorReport& report) {
  Table table({"", "CHECK", "FINDING", "REMEDY"});
  for (const v1::DoctorCheck& check : report.checks()) {
    table.Add({Mark(check.verdict()), check.name(), check.finding(), check.remedy()});
  }
  return table.Text();
}

absl::StatusOr<int> Run(Invocation& invocation) {
  ASSIGN_OR_RETURN(const auto client, invocation.Connect());
  Progress progress(invocation.progress_style());
  progress.Step("checking this host");
  ASSIGN_OR_RETURN(const v1::DoctorReport report, client->Doctor({.progress = &progress}));
  progress.Clear();
  const bool json = invocation.format() == Format::kJson;
  invocation.Print(json ? JsonText(report) : ReportText(report));
  for (const v1::DoctorCheck& check : report.checks()) {
    if (VerdictWord(check.verdict()) == "problem") return kFailed;
  }
  return kDone;
}

}  // namespace

Action DefineDoctor(Arguments&) { return Run; }

}  // namespace ember::cli
