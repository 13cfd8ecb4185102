#include <memory>
#include <optional>
#include <string>

#include "base/status.h"
#include "base/status_macros.h"
#include "cli/commands/commands.h"
#include "cli/exit_code.h"
#include "cli/volume_calls.h"
#include "cli/volume_json.h"

namespace ember::cli {
namespace {

struct Options {
  std::string name;
  std::optional<uint64_t> size;
  std::string filesystem = "ext4";
};

absl::StatusOr<int> Run(const Options& options, Invocation& invocation) {
  if (!options.size.has_value()) {
    return WithHint(InvalidArgument("--size SIZE is missing"),
                    fmt::format("ember volume create {} --size 10G", options.name));
  }
  v1::CreateVolumeRequest request;
  request.set_name(options.name);
  request.set_size_bytes(*options.size);
  if (options.filesystem != "none") request.set_filesystem(options.filesystem);
  ASSIGN_OR_RETURN(const auto client, invocation.Connect());
  ASSIGN_OR_RETURN(const v1::Volume volume, CreateVolume(*client, request));
  const bool json = invocation.format() == Format::kJson;
  invocation.Print(json ? JsonText(volume) : volume.name() + "\n");
  return kDone;
}

}  // namespace

Action DefineVolumeCreate(Arguments& arguments) {
  auto options = std::make_shared<Options>();  // shared: the action outlives this call
  arguments.Positional("NAME", options->name, "1 to 20 of a-z, 0-9 and '-'");
  arguments.Size("--size", options->size, "Its size; it takes room only as it is written to");
  arguments.Choice("--fs", {"ext4", "none"}, options->filesystem,
                   "The file system on it, or none: a blank disk (default ext4)");
  return [options](Invocation& invocation) { return Run(*options, invocation); };
}

}  // namespace ember::cli
