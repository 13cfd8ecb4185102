#include "cli/invocation.h"

#include <unistd.h>

#include <utility>

#include "base/status.h"
#include "base/status_macros.h"
#include "cli/exit_code.h"
#include "cli/printable.h"
#include "cli/standard_streams.h"
#include "cli/terminal.h"

namespace ember::cli {

absl::StatusOr<HostAddress> Invocation::Address() const {
  HostAddressInput input = HostAddressInputFromEnvironment();
  input.state_dir_flag = options_.state_dir;
  input.host_flag = options_.host;
  return ResolveHostAddress(input);
}

absl::StatusOr<std::unique_ptr<Client>> Invocation::Connect() const {
  ASSIGN_OR_RETURN(const HostAddress address, Address());
  auto client = Client::Connect(address.socket);
  if (client.ok()) return client;
  if (absl::IsPermissionDenied(client.status())) {
    return WithHint(client.status(), "run as the user who started the daemon, or as root");
  }
  if (ReasonOf(client.status()) != kReasonUnreachable) return client;
  std::string command = "ember daemon start";
  if (!options_.state_dir.empty()) command += " --state-dir " + options_.state_dir;
  if (!options_.host.empty()) command += " --host " + options_.host;
  return WithHint(client.status(), fmt::format("run '{}'", command));
}

ProgressStyle Invocation::progress_style() const {
  if (options_.quiet) return ProgressStyle::kNone;
  return IsTerminal(STDERR_FILENO) ? ProgressStyle::kLive : ProgressStyle::kLines;
}

absl::Status Invocation::Flush() {
  const std::string text = std::exchange(out_, {});
  return WriteStdout(text);
}

void Invocation::Note(std::string_view text) const {
  if (!options_.quiet) WriteStderr(PrintableLines(text) + "\n");
}

void Invocation::NoteHint(std::string_view text) const { Note(fmt::format("hint: {}", text)); }

void Invocation::Warn(std::string_view text) const {
  WriteStderr("warning: " + PrintableLines(text) + "\n");
}

void PrintError(const absl::Status& status) {
  std::string text = "error: " + PrintableLines(Message(status)) + "\n";
  if (const auto hint = HintOf(status); hint.has_value()) {
    text += "hint: " + PrintableLines(*hint) + "\n";
  }
  WriteStderr(text);
}

}  // namespace ember::cli
