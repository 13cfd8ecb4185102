#include <memory>

#include "base/status.h"
#include "base/status_macros.h"
#include "cli/commands/commands.h"
#include "cli/commands/forward_text.h"
#include "cli/exit_code.h"
#include "cli/forward_calls.h"
#include "cli/forward_json.h"

namespace ember::cli {
namespace {

struct Options {
  std::string vm;
  std::string spec;
  std::string reverse;
  std::string bind;
  bool udp = false;
};

absl::Status Check(const Options& options) {
  if (options.spec.empty() == options.reverse.empty()) {
    return WithHint(InvalidArgument("give either HOST:GUEST or -R GUEST:HOST"),
                    fmt::format("e.g. ember forward {} 8080:80", options.vm));
  }
  if (options.reverse.empty()) return absl::OkStatus();
  if (options.udp) return InvalidArgument("--udp does not go with -R");
  if (!options.bind.empty()) return InvalidArgument("--bind does not go with -R");
  return absl::OkStatus();
}

absl::StatusOr<v1::AddForwardRequest> RequestOf(const Options& options) {
  RETURN_IF_ERROR(Check(options));
  v1::AddForwardRequest request;
  request.set_vm(options.vm);
  const Transport transport = options.udp ? Transport::kDatagrams : Transport::kStream;
  if (options.reverse.empty()) {
    ASSIGN_OR_RETURN(const ForwardSpec spec, ParseForwardSpec(options.spec, ZeroPort::kAccepted));
    *request.mutable_host() = AddressOf(spec.from, transport, options.bind);
    *request.mutable_guest() = AddressOf(spec.to, transport, "");
  } else {
    ASSIGN_OR_RETURN(const ForwardSpec spec, ParseForwardSpec(options.reverse, ZeroPort::kRefused));
    *request.mutable_guest() = AddressOf(spec.from, transport, "");
    *request.mutable_host() = AddressOf(spec.to, transport, "");
    request.set_reverse(true);
  }
  const bool path = request.host().has_unix_path() || request.guest().has_unix_path();
  if (options.udp && path) return InvalidArgument("--udp goes with two ports");
  if (!options.bind.empty() && request.host().has_unix_path()) {
    return InvalidArgument("--bind goes with a port of the host");
  }
  return request;
}

absl::StatusOr<int> Run(const Options& options, Invocation& invocation) {
  ASSIGN_OR_RETURN(const v1::AddForwardRequest request, RequestOf(options));
  ASSIGN_OR_RETURN(const auto client, invocation.Connect());
  ASSIGN_OR_RETURN(const v1::Forward forward, AddForward(*client, request));
  if (invocation.format() == Format::kJson) {
    invocation.Print(JsonText(forward));
    return kDone;
  }
  const v1::SocketAddress& from = forward.reverse() ? forward.guest() : forward.host();
  invocation.Print(SocketText(from) + "\n");
  invocation.Note(
      fmt::format("forward {}; end it with 'ember forward remove {}'", forward.id(), forward.id()));
  return kDone;
}

}  // namespace

Action DefineForwardAdd(Arguments& arguments) {
  auto options = std::make_shared<Options>();  // shared: the action outlives this call
  arguments.Positional("VM", options->vm, "The VM");
  arguments.Positional("HOST:GUEST", options->spec,
                       "A port (0: any free one) or path of the host, and the port or path in the "
                       "VM that it leads to",
                       Need::kOptional);
  arguments.Text("-R,--reverse", "GUEST:HOST", options->reverse,
                 "The VM listens instead, at a port or path of its own that leads to one of the "
                 "host");
  arguments.Flag("--udp", options->udp, "The ports are of UDP");
  arguments.Text("--bind", "IP", options->bind,
                 "The host's address to listen at (default: 127.0.0.1)");
  return [options](Invocation& invocation) { return Run(*options, invocation); };
}

}  // namespace ember::cli
