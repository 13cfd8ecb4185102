#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "cli/signal_queue.h"
#include "ember/v1/vm.pb.h"

namespace grpc {
class ChannelInterface;
}

namespace ember::cli {

enum class ExecInput { kForward, kNone };

// Runs a command in a VM with this process's stdin, stdout, stderr and signals as its own, and
// waits for its end: the answer is this process's exit code (the command's, 128 + n for a signal,
// 124 when it ran out of time, 141 when the reader of the output is gone). A command that gets a
// terminal (`start.tty`) gets ours in raw mode while it runs.
//
// SIGINT, SIGTERM, SIGHUP and SIGQUIT from `signals` go to the command; the second one of a kind,
// or one that can't be delivered within a second, cancels the call and gives Cancelled or the code
// 128 + n. SIGWINCH changes the size of its terminal. Memory is bounded both ways: input is read
// when the call takes it, output is taken from the call when it has been written.
//
// SIGPIPE must be ignored. Uses one thread besides the calling one.
absl::StatusOr<int> RunExec(const std::shared_ptr<grpc::ChannelInterface>& channel,
                            SignalQueue& signals, const v1::ExecStart& start, ExecInput input);

}  // namespace ember::cli
