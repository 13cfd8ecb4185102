#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "cli/signal_queue.h"
#include "ember/v1/process_service.pb.h"
#include "ember/v1/vm.pb.h"

namespace grpc {
class ChannelInterface;
}

namespace ember::cli {

enum class ExecInput { kForward, kNone };

// How a call ended that this process took part in.
struct CallOutcome {
  std::optional<int> code;  // this process's exit code; nothing: the other process goes on
  bool ended = false;       // the code is the other process's
  std::string tag;          // of a detached process that was started
  bool detached = false;    // by the detach keys
};

// Runs a command in a VM with this process's stdin, stdout, stderr and signals as its own, and
// waits for its end: the answer has this process's exit code (the command's, 128 + n for a signal,
// 124 when it ran out of time, 141 when the reader of the output is gone). A command that gets a
// terminal (`start.tty`) gets ours in raw mode while it runs.
//
// SIGINT, SIGTERM, SIGHUP and SIGQUIT from `signals` go to the command; the second one of a kind,
// or one that can't be delivered within a second, cancels the call and gives Cancelled or the code
// 128 + n. SIGWINCH changes the size of its terminal. Memory is bounded both ways: input is read
// when the call takes it, output is taken from the call when it has been written.
//
// A detached one (`start.detach`) gets none of that: its tag comes once it runs.
//
// SIGPIPE must be ignored. Uses one thread besides the calling one.
absl::StatusOr<CallOutcome> RunExec(const std::shared_ptr<grpc::ChannelInterface>& channel,
                                    SignalQueue& signals, const v1::ExecStart& start,
                                    ExecInput input);

// Writes what a detached process has written, and with `start.follow` or `start.attach` what it
// writes, up to its end. One that is attached to gets our input, signals and window size as a
// command does, until the detach keys (cli/detach_keys.h) are typed; otherwise a signal ends the
// call. `lost` is told of output that had been dropped before it could be read.
absl::StatusOr<CallOutcome> RunFollow(const std::shared_ptr<grpc::ChannelInterface>& channel,
                                      SignalQueue& signals, const v1::FollowStart& start,
                                      std::function<void(uint64_t bytes)> lost);

}  // namespace ember::cli
