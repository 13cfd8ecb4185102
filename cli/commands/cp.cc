#include <csignal>
#include <memory>
#include <string>

#include "base/status.h"
#include "base/status_macros.h"
#include "cli/commands/commands.h"
#include "cli/exit_code.h"
#include "cli/tree_copy.h"

namespace ember::cli {
namespace {

struct Options {
  std::string from;
  std::string to;
  CopyOptions copy;
};

absl::Status CheckPlaces(const CopyPlace& from, const CopyPlace& to) {
  if (from.kind != CopyPlace::Kind::kVm && to.kind != CopyPlace::Kind::kVm) {
    return WithHint(InvalidArgument("neither side is in a VM"),
                    "write a place in a VM as VM:PATH, e.g. 'ember cp ./file dev:/tmp'");
  }
  return absl::OkStatus();
}

absl::StatusOr<int> Run(const Options& options, Invocation& invocation) {
  const CopyPlace from = ParseCopyPlace(options.from);
  const CopyPlace to = ParseCopyPlace(options.to);
  RETURN_IF_ERROR(CheckPlaces(from, to));
  ::signal(SIGPIPE, SIG_IGN);
  ASSIGN_OR_RETURN(const auto client, invocation.Connect());
  // Like its relatives, it says nothing to a file or a pipe.
  const bool live = invocation.progress_style() == ProgressStyle::kLive;
  Progress progress(live ? ProgressStyle::kLive : ProgressStyle::kNone);
  progress.Step("copying " + options.from);
  const auto summary = CopyTree(*client, from, to, options.copy, progress);
  progress.Clear();
  RETURN_IF_ERROR(summary.status());
  for (const std::string& name : summary->skipped) invocation.Warn("not copied: " + name);
  return kDone;
}

}  // namespace

Action DefineCp(Arguments& arguments) {
  auto options = std::make_shared<Options>();  // shared: the action outlives this call
  arguments.Positional("SRC", options->from,
                       "VM:PATH, a path here, or - for standard input; DIR/. is what is in DIR");
  arguments.Positional("DST", options->to,
                       "The same; a directory that is there takes the copy in, anything else is"
                       " its new name. In a VM, paths without a / at their start are below /root");
  arguments.Flag("--follow", options->copy.follow_symlinks,
                 "Copy what symbolic links in a tree point to instead of the links");
  arguments.Flag("--owner", options->copy.keep_owner,
                 "Keep user and group numbers and setuid bits (default: root in a VM, you here)");
  return [options](Invocation& invocation) { return Run(*options, invocation); };
}

}  // namespace ember::cli
