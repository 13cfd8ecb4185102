#include <memory>
#include <string>

#include "base/status_macros.h"
#include "cli/commands/commands.h"
#include "cli/commands/guest_path.h"
#include "cli/exit_code.h"
#include "cli/file_calls.h"

namespace ember::cli {

namespace {

struct Options {
  std::string place;
  bool parents = false;
};

absl::StatusOr<int> Run(const Options& options, Invocation& invocation) {
  ASSIGN_OR_RETURN(const CopyPlace at, ParseGuestPath(options.place));
  v1::MakeDirectoryRequest request;
  request.set_vm(at.vm);
  request.set_path(at.path);
  request.set_parents(options.parents);
  ASSIGN_OR_RETURN(const auto client, invocation.Connect());
  RETURN_IF_ERROR(MakeDirectory(*client, request));
  return kDone;
}

}  // namespace

Action DefineFsMkdir(Arguments& arguments) {
  auto options = std::make_shared<Options>();  // shared: the action outlives this call
  arguments.Positional("VM:PATH", options->place, "The directory to make");
  arguments.Flag("-p,--parents", options->parents,
                 "Make what is missing above it, and do not mind one that is there");
  return [options](Invocation& invocation) { return Run(*options, invocation); };
}

}  // namespace ember::cli
