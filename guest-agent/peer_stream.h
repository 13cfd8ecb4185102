#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include "base/event_loop.h"
#include "base/unique_fd.h"

namespace ember::agent {

enum class Reading { kOn, kOff };

// A client's connection: what it sends, and a queue of what goes to it. The owner keeps the queue
// short by looking at pending(). Lives on the event loop.
class PeerStream {
 public:
  // Called on the loop. The owner must not destroy the stream from within a call; it may call its
  // methods.
  struct Events {
    std::function<void(std::string_view)> received;
    std::function<void()> input_ended;  // the client sends no more; it may still read
    std::function<void()> sent;         // the queue has become shorter
    std::function<void()> gone;         // the connection is over; nothing is called after it
  };

  // Takes over a connected, non-blocking socket. `loop` outlives the stream.
  PeerStream(EventLoop& loop, UniqueFd socket, Events events);
  ~PeerStream();
  PeerStream(const PeerStream&) = delete;
  PeerStream& operator=(const PeerStream&) = delete;

  // Starts watching. Fails when the system has no memory for it.
  absl::Status Start();

  // The end of the queue, to append to; Flush sends what can be sent now.
  std::string& queue() { return queue_; }
  void Flush();
  // Bytes that wait for the client to read.
  size_t pending() const { return queue_.size() - sent_; }

  // kOff: the client's bytes wait in the socket. That the client is gone is noticed all the same.
  void SetReading(Reading reading);

  // Sends what is queued, then ends the connection: the client finds an end of file after the last
  // byte. What it still sends is dropped, for 2 s at most, so that no reset overtakes the queue.
  void Finish();

  // Gives the socket up: nothing is called any more. What waits in the queue stays there.
  UniqueFd Release();
  // What waits in the queue, of a stream that was released.
  std::string TakePending();

 private:
  enum class Phase { kOpen, kFinishing, kLingering, kOver };

  void OnReady(uint32_t events);
  void Receive();
  void OnEndOfInput();
  bool PeerCannotRead() const;
  void Rearm();
  void StartLingering();
  void End();

  EventLoop& loop_;
  UniqueFd socket_;
  Events events_;
  Phase phase_ = Phase::kOpen;
  Reading reading_ = Reading::kOn;
  bool half_closed_ = false;  // noticed while not reading; there may be bytes before the end
  bool input_ended_ = false;  // its end was read
  std::string queue_;
  size_t sent_ = 0;  // bytes at the front of queue_ that are sent
  EventLoop::TimerId linger_timer_ = 0;
};

}  // namespace ember::agent
