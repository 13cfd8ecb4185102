#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/status.h"
#include "base/status_macros.h"
#include "cli/commands/commands.h"
#include "cli/commands/vm_text.h"
#include "cli/exit_code.h"
#include "cli/fork_calls.h"
#include "cli/json.h"
#include "cli/proto_duration.h"
#include "cli/typed_value.h"

namespace ember::cli {
namespace {

struct Options {
  std::string source;
  std::string name;
  std::optional<uint64_t> cpus;
  uint64_t memory = 0;
  uint64_t disk_size = 0;
  std::map<std::string, std::string> labels;
  bool no_start = false;
  std::optional<absl::Duration> wait = absl::Seconds(90);
  std::string request_id;
};

absl::StatusOr<v1::ForkVmRequest> RequestOf(const Options& options) {
  v1::ForkVmRequest request;
  request.set_request_id(options.request_id);
  request.set_source(options.source);
  request.set_name(options.name);
  // As for a create: the daemon knows how many are too many.
  request.set_vcpus(
      static_cast<uint32_t>(std::min<uint64_t>(options.cpus.value_or(0), UINT32_MAX)));
  ASSIGN_OR_RETURN(const uint32_t memory_mib, MemoryMib("--memory", options.memory));
  request.set_memory_mib(memory_mib);
  request.set_disk_bytes(options.disk_size);
  request.mutable_labels()->insert(options.labels.begin(), options.labels.end());
  request.set_no_start(options.no_start);
  *request.mutable_agent_wait() = ToProto(*options.wait);
  return request;
}

absl::StatusOr<int> Run(const Options& options, Invocation& invocation) {
  ASSIGN_OR_RETURN(const v1::ForkVmRequest request, RequestOf(options));
  ASSIGN_OR_RETURN(const auto client, invocation.Connect());
  const absl::Time start = absl::Now();
  Progress progress(invocation.progress_style());
  progress.Step(fmt::format("forking vm '{}' to '{}'", options.source, options.name));
  ASSIGN_OR_RETURN(const v1::ForkVmResponse forked,
                   ForkVm(*client, request, {.progress = &progress}));
  progress.Clear();
  const bool awaited = *options.wait > absl::ZeroDuration();
  NoteOutcome(invocation, forked.vm(), awaited ? AgentWait::kAwaited : AgentWait::kSkipped,
              absl::Now() - start);
  if (forked.has_frozen()) {
    invocation.Note(fmt::format("the file systems of '{}' stood still for {:.1f} ms",
                                options.source, MillisecondsOf(forked.frozen())));
  }
  if (forked.full_copy()) {
    invocation.Note(
        "its disk is a full copy: this file system can't clone files, as XFS and btrfs "
        "can");
  }
  const bool json = invocation.format() == Format::kJson;
  invocation.Print(json ? JsonText(forked) : forked.vm().name() + "\n");
  return kDone;
}

}  // namespace

Action DefineVmFork(Arguments& arguments) {
  auto options = std::make_shared<Options>();  // shared: the action outlives this call
  arguments.Positional("SRC", options->source,
                       "The VM whose disk is cloned; it may run, and stands still for a moment");
  arguments.Positional("NEW", options->name, "1 to 63 of a-z, 0-9 and '-'");
  arguments.Number("--cpus", "N", 1, options->cpus, "Virtual CPUs (default: as SRC)");
  arguments.Size("--memory", options->memory, "Memory (default: as SRC)");
  arguments.Size("--disk-size", options->disk_size, "Size of the disk, at least SRC's (default)");
  arguments.Pairs("--label", options->labels, "Attach a label instead of SRC's (repeatable)");
  arguments.Flag("--no-start", options->no_start, "Only create it");
  arguments.Duration("--wait", options->wait,
                     "How long to wait for the agent (default 90, 0 skips)");
  arguments.Text("--request-id", "ID", options->request_id,
                 "The same id again answers with the same VM instead of a new one");
  return [options](Invocation& invocation) { return Run(*options, invocation); };
}

}  // namespace ember::cli
