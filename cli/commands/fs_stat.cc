#include <memory>
#include <string>

#include "base/status_macros.h"
#include "cli/commands/commands.h"
#include "cli/commands/file_text.h"
#include "cli/commands/guest_path.h"
#include "cli/exit_code.h"
#include "cli/file_calls.h"

namespace ember::cli {

namespace {

struct Options {
  std::string place;
  bool follow = false;
};

absl::StatusOr<int> Run(const Options& options, Invocation& invocation) {
  ASSIGN_OR_RETURN(const CopyPlace at, ParseGuestPath(options.place));
  v1::StatFileRequest request;
  request.set_vm(at.vm);
  request.set_path(at.path);
  request.set_follow_symlinks(options.follow);
  ASSIGN_OR_RETURN(const auto client, invocation.Connect());
  ASSIGN_OR_RETURN(const v1::FileInfo file, StatFile(*client, request));
  const bool json = invocation.format() == Format::kJson;
  invocation.Print(json ? FileJsonText(file) : FileText(file));
  return kDone;
}

}  // namespace

Action DefineFsStat(Arguments& arguments) {
  auto options = std::make_shared<Options>();  // shared: the action outlives this call
  arguments.Positional("VM:PATH", options->place, "The file; a relative path is below /root");
  arguments.Flag("--follow", options->follow, "Tell of what a symbolic link points to");
  return [options](Invocation& invocation) { return Run(*options, invocation); };
}

}  // namespace ember::cli
