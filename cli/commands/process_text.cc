#include "cli/commands/process_text.h"

#include <nlohmann/json.hpp>

#include "base/status.h"
#include "cli/signal_name.h"
#include "cli/table.h"
#include "cli/words.h"

namespace ember::cli {
namespace {

using Json = nlohmann::ordered_json;

// "running", "exit 3", "SIGKILL".
std::string StatusText(const v1::Process& process) {
  if (process.running()) return "running";
  if (process.exited().how_case() == v1::ExecExited::kSignal) {
    return SignalName(process.exited().signal());
  }
  return fmt::format("exit {}", process.exited().code());
}

std::string CommandText(const v1::Process& process) {
  std::string text;
  for (const std::string& word : process.argv()) text += (text.empty() ? "" : " ") + word;
  return text;
}

Json ToJson(const v1::Process& process) {
  const bool signalled = process.exited().how_case() == v1::ExecExited::kSignal;
  return {
      {"tag", process.tag().empty() ? Json(nullptr) : Json(process.tag())},
      {"pid", process.pid()},
      {"status", process.running() ? "running" : "exited"},
      {"exit_code", process.running() || signalled ? Json(nullptr) : Json(process.exited().code())},
      {"signal", signalled ? Json(SignalName(process.exited().signal())) : Json(nullptr)},
      {"user", process.user()},
      {"started_at", TimeText(process.started_at())},
      {"tty", process.tty()},
      {"output_bytes", process.output_bytes()},
      {"output_lost_bytes", process.output_lost_bytes()},
      {"argv", std::vector<std::string>(process.argv().begin(), process.argv().end())}};
}

}  // namespace

std::string ProcessTableText(const v1::ListProcessesResponse& list) {
  Table table({"TAG", "PID", "STATUS", "USER", "STARTED", "COMMAND"});
  for (const v1::Process& process : list.processes()) {
    table.Add({process.tag(), std::to_string(process.pid()), StatusText(process), process.user(),
               TimeText(process.started_at()), CommandText(process)});
  }
  return table.Text();
}

std::string ProcessJsonText(const v1::ListProcessesResponse& list) {
  Json array = Json::array();
  for (const v1::Process& process : list.processes()) array.push_back(ToJson(process));
  constexpr int kIndent = 2;
  return array.dump(kIndent, ' ', true, Json::error_handler_t::replace) + "\n";
}

}  // namespace ember::cli
