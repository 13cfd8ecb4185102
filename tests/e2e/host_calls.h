#pragma once

#include <grpcpp/grpcpp.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "ember/v1/host_service.grpc.pb.h"

namespace ember::testing {

// A client of emberhostd with a connection of its own, as an orchestrator has one: for tests that
// ask for more at once than programs started one by one could. Calls block, for a minute at most.
// It is of no more use once its daemon has gone. Thread-safe; keep Catch2's macros out of other
// threads than the test's.
class HostCalls {
 public:
  explicit HostCalls(const std::filesystem::path& socket);

  // A VM without an image on the backend "local", which is not started.
  grpc::Status CreateIdle(const std::string& name);
  // The same, started; answers once its agent is ready.
  grpc::Status CreateLocal(const std::string& name);
  grpc::Status Start(const std::string& name);
  grpc::Status Stop(const std::string& name);
  grpc::Status Delete(const std::string& name, bool force = false);
  grpc::Status Get(const std::string& name, v1::Vm& vm);
  grpc::Status List(std::vector<v1::Vm>& vms);
  grpc::Status Check(std::vector<v1::Anomaly>& anomalies);
  // Runs a command without input; its exit code, or a negative signal number.
  grpc::Status Exec(const std::string& vm, const std::vector<std::string>& argv, int& code);

 private:
  std::unique_ptr<v1::HostService::Stub> stub_;
};

}  // namespace ember::testing
