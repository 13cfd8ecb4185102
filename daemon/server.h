#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "base/log.h"
#include "daemon/options.h"

namespace ember::daemon {

// The daemon put together: the only place where parts are made and handed to each other. Lives on
// the main thread.
class Server {
 public:
  // Locks and opens the state directory, recovers what is in it, then serves. AlreadyExists when
  // another daemon has the directory; a state.db that is damaged or too new is refused and left as
  // it is.
  static absl::StatusOr<std::unique_ptr<Server>> Start(const Options& options, const Log& log);
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  ~Server();

  // Stops accepting and settles what is under way, for at most four seconds; VMs go on running.
  // True when everything has been settled. What has not is recorded as intent: the process may end
  // at once, and the next start finishes it.
  bool Shutdown();

 private:
  struct Parts;
  explicit Server(std::unique_ptr<Parts> parts);

  std::unique_ptr<Parts> parts_;
};

}  // namespace ember::daemon
