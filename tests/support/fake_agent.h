#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/event_loop.h"
#include "base/frame.h"
#include "base/unique_fd.h"
#include "ember/agent/v1/agent.pb.h"

namespace ember::testing {

// How an agent behaves towards whoever connects.
enum class AgentMode {
  kServe,     // as emberd does
  kOff,       // nobody listens
  kSilent,    // accepts and never says a word
  kGarbage,   // answers the first frame with a length that no frame may have
  kCutShort,  // answers the first frame with half a frame, then closes
  kTooOld,    // knows no version of ours
};

// One connection to a scripted agent: the real framed protocol, with programs by argv[0]:
//
//   echo WORD...      prints the words                        cat         input to output, to its
//   end err WORD...       the same to stderr                      exit N      exits with N sleep
//   until a signal ends it                  deaf        as sleep, but unkillable flood BYTES prints
//   so many bytes                    vanish      closes after ExecStarted missing, locked   Failure
//   NOT_FOUND, CANNOT_EXECUTE       stuck       is never started greedy            gives 64 MiB of
//   credit, reads no more   env NAME    prints the variable
//
// Lives on the loop that it is given; owns itself until the connection ends.
class FakeAgent : public std::enable_shared_from_this<FakeAgent> {
 public:
  // What tests count, and what the guest does when it is told to power off. Outlives every agent;
  // `power_off` is called on the loop.
  struct Guest {
    std::function<void()> power_off;
    std::atomic<int> execs{0};
    std::atomic<uint64_t> bytes_sent{0};  // taken by the connections' sockets
    std::atomic<int> hangups{0};          // sessions whose client closed before their end
  };

  static std::shared_ptr<FakeAgent> Serve(EventLoop& loop, UniqueFd fd, AgentMode mode,
                                          std::shared_ptr<Guest> guest);
  ~FakeAgent();
  // Closes now, as the end of the machine does.
  void Close();

 private:
  FakeAgent(EventLoop& loop, UniqueFd fd, AgentMode mode, std::shared_ptr<Guest> guest);
  void OnReady(uint32_t events);
  void OnFrame(const agent::v1::ClientFrame& frame);
  void OnHello();
  void OnExec(const agent::v1::ExecStart& start);
  void RunProgram(const agent::v1::ExecStart& start);
  void OnSignal(uint32_t number);
  void Started();
  void Print(const std::string& text);
  void Exited(int code);
  void Fail(agent::v1::Failure::Reason reason, const std::string& message);
  void Send(const agent::v1::AgentFrame& frame);
  void SendRaw(const std::string& bytes);
  void Flush();

  EventLoop& loop_;
  UniqueFd fd_;
  const AgentMode mode_;
  const std::shared_ptr<Guest> guest_;
  FrameReader reader_;
  std::string out_;
  std::string program_;  // while it runs
  bool close_when_sent_ = false;
  std::shared_ptr<FakeAgent> self_;  // until Close
};

}  // namespace ember::testing
