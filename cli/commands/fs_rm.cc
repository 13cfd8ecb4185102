#include <memory>
#include <string>

#include "base/status.h"
#include "base/status_macros.h"
#include "cli/commands/commands.h"
#include "cli/commands/guest_path.h"
#include "cli/exit_code.h"
#include "cli/file_calls.h"

namespace ember::cli {

namespace {

struct Options {
  std::string place;
  bool recursive = false;
  bool force = false;
};

absl::StatusOr<int> Run(const Options& options, Invocation& invocation) {
  ASSIGN_OR_RETURN(const CopyPlace at, ParseGuestPath(options.place));
  v1::RemoveFileRequest request;
  request.set_vm(at.vm);
  request.set_path(at.path);
  request.set_recursive(options.recursive);
  request.set_missing_ok(options.force);
  ASSIGN_OR_RETURN(const auto client, invocation.Connect());
  absl::Status removed = RemoveFile(*client, request);
  if (absl::IsInvalidArgument(removed) && !options.recursive) {
    removed = WithHint(removed, "remove a directory with 'ember fs rm -r'");
  }
  RETURN_IF_ERROR(removed);
  return kDone;
}

}  // namespace

Action DefineFsRm(Arguments& arguments) {
  auto options = std::make_shared<Options>();  // shared: the action outlives this call
  arguments.Positional("VM:PATH", options->place, "What to remove; never what a link points to");
  arguments.Flag("-r,--recursive", options->recursive, "Also a directory, with all that is in it");
  arguments.Flag("-f,--force", options->force, "Do not mind when there is no such file");
  return [options](Invocation& invocation) { return Run(*options, invocation); };
}

}  // namespace ember::cli
