#pragma once

#include <grpcpp/grpcpp.h>

#include <optional>

#include "base/sequence.h"
#include "ember/v1/process_service.grpc.pb.h"

namespace ember::testing {

// The detached processes of a daemon in memory, of whatever VM:
//   server   has written "one\n", lost 1234 bytes, "two\n" to stderr, and runs; followed, it writes
//            "three\n" and then until the call is cancelled
//   done     has written "last words\n" and ended with code 7
//   shell    has a terminal: writes "ready", shows each size and each key as a number, until "x",
//            which ends it with code 5
// Thread-safe.
class FakeProcesses final : public v1::ProcessService::Service {
 public:
  // The last request of each kind.
  v1::SignalProcessRequest last_signal();
  v1::FollowStart last_follow();

  using Context = grpc::ServerContext;
  using Stream = grpc::ServerReaderWriter<v1::FollowProcessResponse, v1::FollowProcessRequest>;
  grpc::Status ListProcesses(Context*, const v1::ListProcessesRequest*,
                             v1::ListProcessesResponse*) override;
  grpc::Status SignalProcess(Context*, const v1::SignalProcessRequest*,
                             v1::SignalProcessResponse*) override;
  grpc::Status FollowProcess(Context*, Stream*) override;

 private:
  v1::SignalProcessRequest last_signal_;
  v1::FollowStart last_follow_;
  Sequence sequence_{"fake-processes"};  // all of the above
};

}  // namespace ember::testing
