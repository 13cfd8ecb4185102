#pragma once

#include <memory>
#include <string>

#include "base/event_loop.h"
#include "base/unique_fd.h"

namespace ember::testing {

// What listens on a port of a fake guest that is not the agent's: says "port N\n", then sends back
// what it gets, to the end of it. Lives on its loop; owns itself until the connection ends.
class EchoService : public std::enable_shared_from_this<EchoService> {
 public:
  static std::weak_ptr<EchoService> Serve(EventLoop& loop, UniqueFd fd, uint32_t port);
  ~EchoService() { Close(); }
  void Close();

 private:
  EchoService(EventLoop& loop, UniqueFd fd) : loop_(loop), fd_(std::move(fd)) {}
  void OnReady();

  EventLoop& loop_;
  UniqueFd fd_;
  std::string out_;
  bool ended_ = false;
  std::shared_ptr<EchoService> self_;
};

}  // namespace ember::testing
