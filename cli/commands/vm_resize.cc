#include <memory>
#include <optional>
#include <string>

#include "base/size.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "cli/commands/commands.h"
#include "cli/exit_code.h"
#include "cli/json.h"
#include "cli/volume_calls.h"

namespace ember::cli {
namespace {

struct Options {
  std::string name;
  std::optional<uint64_t> disk_size;
};

absl::StatusOr<int> Run(const Options& options, Invocation& invocation) {
  if (!options.disk_size.has_value()) {
    return WithHint(InvalidArgument("--disk-size SIZE is missing"),
                    fmt::format("ember vm resize {} --disk-size 20G", options.name));
  }
  v1::ResizeVmDiskRequest request;
  request.set_name(options.name);
  request.set_disk_bytes(*options.disk_size);
  ASSIGN_OR_RETURN(const auto client, invocation.Connect());
  ASSIGN_OR_RETURN(const v1::Vm vm, ResizeVmDisk(*client, request));
  const std::string size = FormatSize(vm.disk_bytes());
  invocation.Note(
      vm.state() == v1::RUNNING
          ? fmt::format("the disk of vm '{}' and its file system have {}", vm.name(), size)
          : fmt::format("the disk of vm '{}' has {}, and its file system will at the "
                        "next start",
                        vm.name(), size));
  invocation.Print(invocation.format() == Format::kJson ? JsonText(vm) : vm.name() + "\n");
  return kDone;
}

}  // namespace

Action DefineVmResize(Arguments& arguments) {
  auto options = std::make_shared<Options>();  // shared: the action outlives this call
  arguments.Positional("NAME", options->name, "The VM; it may run");
  arguments.Size("--disk-size", options->disk_size,
                 "The new size of its disk, more than it has: disks only grow");
  return [options](Invocation& invocation) { return Run(*options, invocation); };
}

}  // namespace ember::cli
