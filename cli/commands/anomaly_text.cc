#include "cli/commands/anomaly_text.h"

#include <fmt/format.h>

#include "cli/table.h"

namespace ember::cli {
namespace {

constexpr char kNone[] = "no anomalies found\n";

std::string NamesText(const v1::Anomaly& anomaly) {
  return fmt::format("{}", fmt::join(anomaly.vm_names(), ", "));
}

std::string WarningText(const v1::Anomaly& anomaly) {
  const std::string names = NamesText(anomaly);
  return fmt::format("{}{}: {}", anomaly.kind(), names.empty() ? "" : fmt::format(" ({})", names),
                     anomaly.message());
}

}  // namespace

std::string AnomalyTableText(const v1::CheckHostResponse& response) {
  if (response.anomalies().empty()) return kNone;
  Table table({"KIND", "VM", "MESSAGE", "REMEDY"});
  for (const v1::Anomaly& anomaly : response.anomalies()) {
    table.Add({anomaly.kind(), NamesText(anomaly), anomaly.message(), anomaly.remedy()});
  }
  return table.Text();
}

std::string RepairTableText(const v1::RepairHostResponse& response, RepairRun run) {
  if (response.repairs().empty()) return kNone;
  Table table({"KIND", "VM", "RESULT", "DETAIL"});
  for (const auto& repair : response.repairs()) {
    const v1::Anomaly& anomaly = repair.anomaly();
    std::string result = run == RepairRun::kDry ? "would repair" : "repaired";
    std::string detail = repair.action();
    if (!repair.error().empty()) {
      result = "failed";
      detail += (detail.empty() ? "" : ": ") + repair.error();
    } else if (repair.action().empty()) {
      result = "left to you";
      detail = anomaly.message() + (anomaly.remedy().empty() ? "" : ": " + anomaly.remedy());
    }
    table.Add({anomaly.kind(), NamesText(anomaly), result, detail});
  }
  return table.Text();
}

void WarnOfAnomalies(const Invocation& invocation, const v1::ListVmsResponse& list) {
  for (const v1::Anomaly& anomaly : list.anomalies()) invocation.Warn(WarningText(anomaly));
  if (!list.check_error().empty()) {
    invocation.Warn(fmt::format(
        "the check of the host could not run: {}; this list may hide damage", list.check_error()));
    invocation.NoteHint("run 'ember host check' to try again");
  } else if (!list.anomalies().empty()) {
    invocation.NoteHint("run 'ember host check' for what to do about it");
  }
}

}  // namespace ember::cli
