#include <memory>

#include "base/status.h"
#include "base/status_macros.h"
#include "cli/commands/commands.h"
#include "cli/exit_code.h"
#include "cli/standard_streams.h"

namespace ember::cli {
namespace {

struct Options {
  std::string name;
  bool follow = false;
  uint64_t tail = 0;  // bytes
};

absl::StatusOr<int> Run(const Options& options, Invocation& invocation) {
  if (options.tail > UINT32_MAX) return InvalidArgument("--tail must be less than 4G");
  v1::ConsoleRequest request;
  request.set_name(options.name);
  request.set_follow(options.follow);
  request.set_tail_bytes(static_cast<uint32_t>(options.tail));
  ASSIGN_OR_RETURN(const auto client, invocation.Connect());
  RETURN_IF_ERROR(client->Console(
      request, [](const v1::ConsoleChunk& chunk) { return WriteStdout(chunk.text()); }));
  return kDone;
}

}  // namespace

Action DefineVmConsole(Arguments& arguments) {
  auto options = std::make_shared<Options>();  // shared: the action outlives this call
  arguments.Positional("NAME", options->name, "The VM");
  arguments.Flag("-f,--follow", options->follow, "Go on with what it prints from now on");
  arguments.Size("--tail", options->tail,
                 "Only the last so many bytes (default: all that is kept)");
  return [options](Invocation& invocation) { return Run(*options, invocation); };
}

}  // namespace ember::cli
