#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "base/event_loop.h"
#include "daemon/agent_call.h"
#include "state/forward.h"

namespace ember::daemon {

// One stream to a socket of a guest, carried by a call. Each way one piece is under way at a time:
// who calls gives the next one when the last was taken, so nothing piles up. Lives on `io`.
class ProxySession : public std::enable_shared_from_this<ProxySession> {
 public:
  // Who called. Called on `io`.
  class Client {
   public:
    virtual ~Client() = default;
    // The guest's socket is connected.
    virtual void Opened() = 0;
    // A piece from the guest; the next one comes after OutputTaken.
    virtual void Output(std::string_view bytes) = 0;
    // The guest has ended its half; it may still take input.
    virtual void OutputEnded() = 0;
    // The last Input has been passed on, or nobody takes it any more: the next one may come.
    virtual void InputTaken() = 0;
    // The stream is over. OK: both halves have ended; an error: it was never open, or was cut.
    // Called once, last.
    virtual void Ended(absl::Status status) = 0;
  };

  // Connects to `guest`, TCP or a Unix path. Any thread; the session lives on `io` from then on.
  static std::shared_ptr<ProxySession> Start(EventLoop& io, ReachedVm vm,
                                             const state::ForwardSide& guest,
                                             std::shared_ptr<Client> client);
  ProxySession(const ProxySession&) = delete;
  ProxySession& operator=(const ProxySession&) = delete;
  ~ProxySession();

  // After Opened, and after InputTaken for every Input before.
  void Input(std::string bytes);
  // A half-close, behind all input.
  void InputEnd();
  void OutputTaken();
  // The caller has gone: closes the stream. Ended is called (Cancelled) unless it was.
  void Cancel();

 private:
  ProxySession(EventLoop& io, std::string vm_name, std::shared_ptr<Client> client)
      : io_(io), vm_name_(std::move(vm_name)), client_(std::move(client)) {}
  void OnOpened(absl::StatusOr<RawConnection> guest);
  void OnReady(uint32_t events);
  void Read();
  void Write();
  void PassOnEnds();
  void Rearm();
  void Finish(absl::Status status);

  EventLoop& io_;
  const std::string vm_name_;
  std::shared_ptr<Client> client_;  // shared with its call; null once ended
  UniqueFd fd_;
  std::string received_;  // came behind the answer to the request: output, before all else
  std::string input_;     // the piece under way
  size_t input_start_ = 0;
  bool input_ended_ = false;   // by the caller
  bool deaf_ = false;          // the guest takes no more input
  bool reading_ = false;       // the caller is ready for output
  bool output_ended_ = false;  // by the guest
};

}  // namespace ember::daemon
