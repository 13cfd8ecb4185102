#include <unistd.h>

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/cancellation.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "cli/care_calls.h"
#include "cli/commands/commands.h"
#include "cli/commands/stats_text.h"
#include "cli/exit_code.h"
#include "cli/terminal.h"

namespace ember::cli {
namespace {

// Between the two answers that a rate is made from.
constexpr absl::Duration kSampleSpan = absl::Milliseconds(500);
constexpr absl::Duration kWatchPeriod = absl::Seconds(2);

struct Options {
  std::vector<std::string> names;  // none: all that run
  bool watch = false;
};

// The guests that were asked for, and their latest numbers.
class Watcher {
 public:
  Watcher(Client& client, const Options& options) : client_(client), options_(options) {}

  // Asks all of them once more; gives those that answered before too. The first error, where one
  // was asked for by name; a VM of all that is gone by now is left out.
  absl::StatusOr<std::vector<StatsSample>> Ask() {
    ASSIGN_OR_RETURN(const std::vector<std::string> names, Names());
    std::vector<StatsSample> samples;
    std::map<std::string, v1::VmStats> latest;
    for (absl::StatusOr<v1::VmStats>& answer : GetVmStats(client_, names)) {
      if (!answer.ok() && (!options_.names.empty() || absl::IsCancelled(answer.status()))) {
        return answer.status();
      }
      if (!answer.ok()) {
        failures_.insert(std::string(Message(answer.status())));
        continue;
      }
      const std::string name = answer->vm();
      if (const auto before = latest_.find(name); before != latest_.end()) {
        samples.push_back({before->second, *answer});
      }
      latest[name] = *std::move(answer);
    }
    latest_ = std::move(latest);
    return samples;
  }

  // Why some of all could not be asked, since the last call.
  std::set<std::string> TakeFailures() { return std::exchange(failures_, {}); }

 private:
  absl::StatusOr<std::vector<std::string>> Names() {
    if (!options_.names.empty()) return options_.names;
    v1::ListVmsRequest request;
    request.add_states(v1::RUNNING);
    ASSIGN_OR_RETURN(const v1::ListVmsResponse list, client_.ListVms(request));
    std::vector<std::string> names;
    for (const v1::Vm& vm : list.vms()) names.push_back(vm.name());
    return names;
  }

  Client& client_;
  const Options& options_;
  std::map<std::string, v1::VmStats> latest_;
  std::set<std::string> failures_;
};

// Waits so long; true when Ctrl-C came first.
bool Interrupts(Client& client, absl::Duration span) {
  return Cancellation::After(span).WaitReadable(client.signals().fd(), "the next sample").ok();
}

std::string TextOf(const std::vector<StatsSample>& samples, const Invocation& invocation) {
  return invocation.format() == Format::kJson ? StatsJsonText(samples) : StatsTableText(samples);
}

absl::StatusOr<int> Once(Client& client, Watcher& watcher, Invocation& invocation) {
  RETURN_IF_ERROR(watcher.Ask().status());
  watcher.TakeFailures();  // told once, below
  if (Interrupts(client, kSampleSpan)) return Interrupted();
  ASSIGN_OR_RETURN(const auto samples, watcher.Ask());
  invocation.Print(TextOf(samples, invocation));
  for (const std::string& failure : watcher.TakeFailures()) invocation.Warn(failure);
  return kDone;
}

// On a terminal each table takes the place of the one before.
absl::StatusOr<int> Watch(Client& client, Watcher& watcher, Invocation& invocation) {
  const bool redraw = invocation.format() == Format::kTable && IsTerminal(STDOUT_FILENO);
  RETURN_IF_ERROR(watcher.Ask().status());
  absl::Duration pause = kSampleSpan;
  int64_t drawn = 0;  // lines
  while (!Interrupts(client, pause)) {
    auto samples = watcher.Ask();
    if (absl::IsCancelled(samples.status())) break;
    RETURN_IF_ERROR(samples.status());
    const std::string text = TextOf(*samples, invocation);
    if (redraw && drawn > 0) invocation.Print(fmt::format("\x1b[{}A\x1b[J", drawn));
    invocation.Print(text);
    RETURN_IF_ERROR(invocation.Flush());
    drawn = std::count(text.begin(), text.end(), '\n');
    pause = kWatchPeriod;
  }
  return kDone;
}

absl::StatusOr<int> Run(const Options& options, Invocation& invocation) {
  ASSIGN_OR_RETURN(const auto client, invocation.Connect());
  Watcher watcher(*client, options);
  return options.watch ? Watch(*client, watcher, invocation) : Once(*client, watcher, invocation);
}

}  // namespace

Action DefineVmStats(Arguments& arguments) {
  auto options = std::make_shared<Options>();  // shared: the action outlives this call
  arguments.Positionals("NAME", options->names, "The VMs (default: all that run)");
  arguments.Flag("--watch", options->watch, "Show it again every 2 seconds, until Ctrl-C");
  return [options](Invocation& invocation) { return Run(*options, invocation); };
}

}  // namespace ember::cli
