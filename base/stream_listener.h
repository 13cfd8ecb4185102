#pragma once

#include <functional>
#include <memory>

#include "absl/status/statusor.h"
#include "base/event_loop.h"
#include "base/unique_fd.h"

namespace ember {

// Takes the connections that come to a listening socket of TCP or of a Unix path. Without
// descriptors or memory they wait in the backlog and are tried again soon. Lives on the loop.
class StreamListener {
 public:
  // Gets each connection, non-blocking and close-on-exec, without Nagle's delay. Must not destroy
  // the listener; may hold it.
  using Accepted = std::function<void(UniqueFd connection)>;

  // Takes over a non-blocking socket that listens. `loop` outlives the object. Fails when the
  // system has no memory to watch it.
  static absl::StatusOr<std::unique_ptr<StreamListener>> Start(EventLoop& loop, UniqueFd socket,
                                                               Accepted accepted);
  ~StreamListener();
  StreamListener(const StreamListener&) = delete;
  StreamListener& operator=(const StreamListener&) = delete;

  // Connections wait in the backlog from Hold until Proceed.
  void Hold();
  void Proceed();

 private:
  StreamListener(EventLoop& loop, UniqueFd socket, Accepted accepted);
  void Accept();

  EventLoop& loop_;
  const UniqueFd socket_;
  const Accepted accepted_;
  bool held_ = false;
  EventLoop::TimerId pause_ = 0;  // while the system has no room
};

}  // namespace ember
