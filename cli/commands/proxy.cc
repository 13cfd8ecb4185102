#include <csignal>
#include <memory>
#include <string>

#include "base/status_macros.h"
#include "cli/commands/commands.h"
#include "cli/commands/forward_text.h"
#include "cli/proxy_call.h"

namespace ember::cli {
namespace {

struct Options {
  std::string vm;
  std::string socket;
};

absl::StatusOr<int> Run(const Options& options, Invocation& invocation) {
  ASSIGN_OR_RETURN(const SocketSpec socket, ParseSocketSpec(options.socket, ZeroPort::kRefused));
  v1::ProxyStart start;
  start.set_vm(options.vm);
  *start.mutable_guest() = AddressOf(socket, Transport::kStream, "");
  ::signal(SIGPIPE, SIG_IGN);
  ASSIGN_OR_RETURN(const auto client, invocation.Connect());
  return RunProxy(client->channel(), client->signals(), start);
}

}  // namespace

Action DefineProxy(Arguments& arguments) {
  auto options = std::make_shared<Options>();  // shared: the action outlives this call
  arguments.Positional("VM", options->vm, "The VM");
  arguments.Positional("PORT|PATH", options->socket,
                       "A TCP port of the VM, or the path of a Unix socket in it");
  return [options](Invocation& invocation) { return Run(*options, invocation); };
}

}  // namespace ember::cli
