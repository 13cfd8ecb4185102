#include <memory>

#include "base/status.h"
#include "cli/commands/commands.h"
#include "cli/exit_code.h"
#include "cli/json.h"
#include "cli/table.h"

namespace ember::cli {
namespace {

struct Options {
  bool client = false;
};

// Asks the daemon unless only the client's version is wanted. No daemon is an answer, not an error.
absl::StatusOr<std::optional<v1::Host>> FindDaemon(const Options& options,
                                                   const Invocation& invocation) {
  if (options.client) return std::nullopt;
  auto client = invocation.Connect();
  if (!client.ok()) {
    if (ReasonOf(client.status()) == kReasonUnreachable) return std::nullopt;
    return client.status();
  }
  auto host = (*client)->GetHost({.limit = absl::Seconds(10)});
  if (!host.ok()) return host.status();
  return *std::move(host);
}

absl::StatusOr<int> Run(const Options& options, Invocation& invocation) {
  auto daemon = FindDaemon(options, invocation);
  if (!daemon.ok()) return daemon.status();
  if (invocation.format() == Format::kJson) {
    invocation.Print(
        VersionJsonText(EMBER_VERSION, daemon->has_value() ? &daemon->value() : nullptr));
    return kDone;
  }
  invocation.Print(KeyValueText({{"client", EMBER_VERSION}}));
  if (options.client) return kDone;
  const std::string running = daemon->has_value() ? (*daemon)->version() : "not running";
  invocation.Print(KeyValueText({{"daemon", running}}));
  return kDone;
}

}  // namespace

Action DefineVersion(Arguments& arguments) {
  auto options = std::make_shared<Options>();  // shared: the action outlives this call
  arguments.Flag("--client", options->client, "Only this program's version");
  return [options](Invocation& invocation) { return Run(*options, invocation); };
}

}  // namespace ember::cli
