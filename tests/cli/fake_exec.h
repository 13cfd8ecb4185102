#pragma once

#include <grpcpp/grpcpp.h>

#include <string>

#include "ember/v1/host_service.grpc.pb.h"

namespace ember::testing {

struct FakeExecFailure {
  grpc::StatusCode code = grpc::OK;
  std::string message;
  std::string reason;
};

// Gives credit for input as a daemon does, and refuses input beyond it. Runs one of these commands,
// which stand for a guest's:
//   cat             stdin to stdout until its end
//   flood           writes to stdout until the call is cancelled
//   both            "out" to stdout, "err" to stderr
//   argv            its arguments, one per line
//   exit N          ends with code N
//   die N           ends by signal N
//   signals         "ready", then "signal N" for each signal; takes no input; a SIGTERM ends it
//   sizes           its terminal's size, then each new one; the end of input ends it
//   keys            every byte of input as a number, until "q"
//   sleep           until it is killed by its time-out
//   went-away, no-such-program, not-executable: the daemon's errors
// A line for /bin/sh is printed.
FakeExecFailure RunFakeExec(const v1::ExecStart& start, grpc::ServerContext& context,
                            grpc::ServerReaderWriter<v1::ExecResponse, v1::ExecRequest>& stream);

}  // namespace ember::testing
