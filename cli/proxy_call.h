#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "cli/signal_queue.h"
#include "ember/v1/forward_service.pb.h"

namespace grpc {
class ChannelInterface;
}

namespace ember::cli {

// Joins this process's stdin and stdout to a socket of a guest until both halves have ended: the
// answer is then 0, or 141 when the reader of our output is gone. Our end of input is the guest's,
// and the guest's end closes our stdout. Cancelled (reason INTERRUPTED) on SIGINT from `signals`.
// Input is read when the call takes it, output is taken from the call when it has been written.
//
// SIGPIPE must be ignored. Uses one thread besides the calling one.
absl::StatusOr<int> RunProxy(const std::shared_ptr<grpc::ChannelInterface>& channel,
                             SignalQueue& signals, const v1::ProxyStart& start);

}  // namespace ember::cli
