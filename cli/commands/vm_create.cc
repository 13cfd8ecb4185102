#include <algorithm>
#include <memory>

#include "base/size.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "cli/commands/commands.h"
#include "cli/commands/vm_text.h"
#include "cli/exit_code.h"
#include "cli/json.h"
#include "cli/proto_duration.h"

namespace ember::cli {
namespace {

struct Options {
  std::string name;
  std::string image;
  std::string kernel;
  std::string backend;
  std::string init = "auto";
  std::string request_id;
  std::optional<uint64_t> cpus;
  uint64_t memory = 0;  // bytes
  uint64_t disk = 0;    // bytes
  std::map<std::string, std::string> labels;
  bool no_start = false;
  std::optional<absl::Duration> wait = absl::Seconds(90);
};

absl::StatusOr<v1::CreateVmRequest> RequestOf(const Options& options) {
  if (options.memory % kMiB != 0) {
    return InvalidArgument("--memory '{}' is not a whole number of MiB",
                           FormatSize(options.memory));
  }
  if (options.memory / kMiB > UINT32_MAX) {
    return InvalidArgument("--memory '{}' is too large", FormatSize(options.memory));
  }
  v1::CreateVmRequest request;
  request.set_request_id(options.request_id);
  request.set_name(options.name);
  request.set_image(options.image);
  request.set_kernel(options.kernel);
  request.set_backend(options.backend);
  // The daemon knows how many are too many; a number that does not fit is, anyhow.
  request.set_vcpus(
      static_cast<uint32_t>(std::min<uint64_t>(options.cpus.value_or(0), UINT32_MAX)));
  request.set_memory_mib(static_cast<uint32_t>(options.memory / kMiB));
  request.set_disk_bytes(options.disk);
  request.set_no_start(options.no_start);
  *request.mutable_agent_wait() = ToProto(*options.wait);
  request.mutable_labels()->insert(options.labels.begin(), options.labels.end());
  request.set_init(options.init == "agent" ? v1::CreateVmRequest::AGENT
                                           : v1::CreateVmRequest::AUTO);
  return request;
}

absl::StatusOr<int> Run(const Options& options, Invocation& invocation) {
  ASSIGN_OR_RETURN(const v1::CreateVmRequest request, RequestOf(options));
  ASSIGN_OR_RETURN(const auto client, invocation.Connect());
  const absl::Time start = absl::Now();
  Progress progress(invocation.progress_style());
  progress.Step(fmt::format("creating vm '{}'", options.name));
  ASSIGN_OR_RETURN(const v1::Vm vm, client->CreateVm(request, {.progress = &progress}));
  progress.Clear();
  NoteOutcome(invocation, vm,
              *options.wait > absl::ZeroDuration() ? AgentWait::kAwaited : AgentWait::kSkipped,
              absl::Now() - start);
  invocation.Print(invocation.format() == Format::kJson ? JsonText(vm) : vm.name() + "\n");
  return kDone;
}

}  // namespace

Action DefineVmCreate(Arguments& arguments) {
  auto options = std::make_shared<Options>();  // shared: the action outlives this call
  arguments.Positional("NAME", options->name, "1 to 63 of a-z, 0-9 and '-'");
  arguments.Text("--image", "IMAGE", options->image, "What its disk is cloned from",
                 Need::kRequired);
  arguments.Text("--kernel", "KERNEL", options->kernel, "Default: the default kernel");
  arguments.Number("--cpus", "N", 1, options->cpus, "Virtual CPUs (default 1)");
  arguments.Size("--memory", options->memory, "Memory (default 512M)");
  arguments.Size("--disk", options->disk, "Size of the disk (default 8G, sparse)");
  arguments.Text("--backend", "BACKEND", options->backend, "Default: the host's default");
  arguments.Choice("--init", {"auto", "agent"}, options->init,
                   "Who is PID 1: the image's init where it has one, or the agent");
  arguments.Pairs("--label", options->labels, "Attach a label (repeatable)");
  arguments.Flag("--no-start", options->no_start, "Create it without starting it");
  arguments.Duration("--wait", options->wait,
                     "How long to wait for the agent (default 90, 0 skips)");
  arguments.Text("--request-id", "ID", options->request_id,
                 "The same id again answers with the same VM instead of a new one");
  return [options](Invocation& invocation) { return Run(*options, invocation); };
}

}  // namespace ember::cli
