#include <memory>

#include "base/status.h"
#include "base/status_macros.h"
#include "cli/commands/commands.h"
#include "cli/exit_code.h"
#include "cli/json.h"
#include "cli/printable.h"
#include "cli/standard_streams.h"
#include "cli/words.h"

namespace ember::cli {
namespace {

struct Options {
  std::string vm;
  std::optional<uint64_t> after;
  bool follow = false;
  bool no_follow = false;
};

std::string EventText(const v1::Event& event) {
  std::string text =
      fmt::format("{}  {:>6}  {:<16}  {:<12}", TimeText(event.time()), event.sequence(),
                  Printable(event.vm_name()), Printable(event.kind()));
  if (!event.message().empty()) text += "  " + Printable(event.message());
  while (text.ends_with(' ')) text.pop_back();
  return text + "\n";
}

v1::WatchEventsRequest RequestOf(const Options& options) {
  v1::WatchEventsRequest request;
  request.set_after_sequence(options.after.value_or(0));
  // "After 0" and a look back both mean everything that is kept; following means from now on.
  request.set_from_oldest(options.after == 0u || (options.no_follow && !options.after.has_value()));
  // A look back ends at a sequence number that may belong to another VM, so it reads them all.
  if (!options.no_follow) request.set_vm_name(options.vm);
  return request;
}

absl::StatusOr<int> Run(const Options& options, Invocation& invocation) {
  if (options.follow && options.no_follow) {
    return InvalidArgument("--follow and --no-follow exclude each other");
  }
  ASSIGN_OR_RETURN(const auto client, invocation.Connect());
  uint64_t last = UINT64_MAX;
  if (options.no_follow) {
    ASSIGN_OR_RETURN(const v1::Host host, client->GetHost());
    last = host.last_event_sequence();
    if (last <= options.after.value_or(0)) return kDone;
  }
  const bool json = invocation.format() == Format::kJson;
  RETURN_IF_ERROR(client->WatchEvents(
      RequestOf(options), [&options, last, json](const v1::Event& event) -> absl::StatusOr<Flow> {
        const bool wanted = options.vm.empty() || event.vm_name() == options.vm;
        if (wanted && event.sequence() <= last) {
          RETURN_IF_ERROR(WriteStdout(json ? JsonText(event) : EventText(event)));
        }
        return event.sequence() < last ? Flow::kMore : Flow::kEnough;
      }));
  return kDone;
}

}  // namespace

Action DefineEvents(Arguments& arguments) {
  auto options = std::make_shared<Options>();  // shared: the action outlives this call
  arguments.Text("--vm", "NAME", options->vm, "Only this VM's");
  arguments.Number("--after", "N", 0, options->after,
                   "Start after the event of this number; 0: with the oldest that is kept");
  arguments.Flag("-f,--follow", options->follow, "Go on with new ones (default)");
  arguments.Flag("--no-follow", options->no_follow, "Show what has happened so far and end");
  return [options](Invocation& invocation) { return Run(*options, invocation); };
}

}  // namespace ember::cli
