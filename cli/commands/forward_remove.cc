#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "base/status_macros.h"
#include "cli/commands/commands.h"
#include "cli/exit_code.h"
#include "cli/forward_calls.h"
#include "cli/json.h"

namespace ember::cli {
namespace {

struct Options {
  std::string id;
  std::string all_of;
};

absl::StatusOr<std::vector<std::string>> SelectIds(Client& client, const Options& options) {
  if (options.all_of.empty()) return std::vector{options.id};
  ASSIGN_OR_RETURN(const v1::ListForwardsResponse list, ListForwards(client, options.all_of));
  std::vector<std::string> ids;
  for (const v1::Forward& forward : list.forwards()) ids.push_back(forward.id());
  return ids;
}

absl::StatusOr<int> Run(const Options& options, Invocation& invocation) {
  if (options.id.empty() == options.all_of.empty()) {
    return WithHint(InvalidArgument("give either ID or --all VM"),
                    "list the forwards there are: ember forward list");
  }
  ASSIGN_OR_RETURN(const auto client, invocation.Connect());
  ASSIGN_OR_RETURN(const auto ids, SelectIds(*client, options));
  std::vector<std::string> removed;
  absl::Status failure;
  for (const std::string& id : ids) {
    failure = RemoveForward(*client, id);
    if (!failure.ok()) break;
    removed.push_back(id);
  }
  if (invocation.format() == Format::kJson) {
    invocation.Print(DeletedJsonText(removed));
  } else {
    for (const std::string& id : removed) invocation.Print(id + "\n");
  }
  if (ids.empty()) invocation.Note("there is no forward");
  if (!failure.ok()) return failure;
  return kDone;
}

}  // namespace

Action DefineForwardRemove(Arguments& arguments) {
  auto options = std::make_shared<Options>();  // shared: the action outlives this call
  arguments.Positional("ID", options->id, "The forward, as 'ember forward list' shows it",
                       Need::kOptional);
  arguments.Text("--all", "VM", options->all_of, "Every forward of this VM");
  return [options](Invocation& invocation) { return Run(*options, invocation); };
}

}  // namespace ember::cli
