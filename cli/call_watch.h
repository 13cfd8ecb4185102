#pragma once

#include <grpcpp/client_context.h>

#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "base/cancellation.h"
#include "cli/client.h"
#include "cli/progress.h"

namespace ember::cli {

// Looks after blocking calls from a thread of its own: Ctrl-C cancels them, and progress goes on.
// Make the contexts before the calls begin.
class CallWatch {
 public:
  // `detail` says how far it is; called on the watch's thread. Both outlive the watch, and nobody
  // else uses them meanwhile.
  CallWatch(Client& client, Progress& progress, std::function<std::string()> detail);
  CallWatch(const CallWatch&) = delete;
  CallWatch& operator=(const CallWatch&) = delete;
  ~CallWatch();

  // For one call. Owned here.
  grpc::ClientContext& NewContext();
  // Begins to look after them.
  void Start();
  // How a call ended: Cancelled with reason INTERRUPTED after Ctrl-C.
  absl::Status Outcome(const grpc::Status& status, const grpc::ClientContext& context);
  bool interrupted() const { return interrupt_.stop_requested(); }
  // For what blocks beside the calls: requested by Ctrl-C.
  Cancellation cancellation() const { return {interrupt_.get_token(), Deadline::Infinite()}; }

 private:
  void Watch(const std::stop_token& stop);

  Client& client_;
  Progress& progress_;
  const std::function<std::string()> detail_;
  std::vector<std::unique_ptr<grpc::ClientContext>> contexts_;
  std::stop_source interrupt_;
  std::jthread thread_;
};

}  // namespace ember::cli
