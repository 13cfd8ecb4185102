#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/byte_pump.h"
#include "base/event_loop.h"
#include "base/frame.h"
#include "base/stream_dial.h"
#include "base/stream_listener.h"
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
  kOlder,     // as kServe, but names no capability
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
// A detached start answers with its tag, or "made-up". There are the detached processes
//
//   job     has written "kept\n", lost 5 bytes, writes "more\n" and ends with 3 when it is followed
//   shell   has a terminal and is as cat
//   ended   can't be signalled
//   main    once it was started: runs until it is signalled
//
// Its file systems freeze and thaw, and grow as they are told.
//
// Streams, listening sockets and datagrams are those of a guest that shares the host's loopback and
// files (fake_agent_streams.cc); statistics are made up.
// and files (capability "files") by path:
//
//   /file   a tree of one file
//   /endless  a tree without an end         /vanish   closes within a tree
//   /strange  a frame of another kind       /early    ends a tree that is still being written
//   /deaf   takes nothing of what is written          /list     a list in three parts
//   others are NOT_FOUND to read; a tree that is written elsewhere is counted
//
// Lives on the loop that it is given; owns itself until the connection ends.
class FakeAgent : public std::enable_shared_from_this<FakeAgent> {
 public:
  // What tests count, and what the guest does when it is told to power off. Outlives every agent;
  // `power_off` is called on the loop.
  struct Guest {
    std::function<void()> power_off;
    std::atomic<int> execs{0};
    std::atomic<int> requests{0};         // frames other than Hello
    std::atomic<uint64_t> bytes_sent{0};  // taken by the connections' sockets
    std::atomic<int> hangups{0};          // sessions whose client closed before their end
    std::atomic<int> listens{0};          // listening sessions that were opened
    std::atomic<int> port_waits{0};       // WaitPort questions that wait now
    std::atomic<int64_t> clock_ns{0};     // as it was set last
    std::atomic<size_t> entropy_bytes{0};
    std::atomic<int> false_incoming{0};      // so many of nobody are told of with every Listening
    std::map<uint64_t, UniqueFd> arrivals;   // at listening sessions; of the loop
    uint64_t next_token = 1;                 // the same
    std::atomic<uint64_t> bytes_written{0};  // of trees
    std::atomic<int> trees{0};               // requests for trees
    std::atomic<int> freezes{0};             // that were begun
    std::atomic<bool> frozen{false};         // until Thaw, or the end of that connection
    std::atomic<bool> thaws_early{false};    // as if the limit were over before Thaw came
    std::atomic<uint64_t> disk_bytes{0};     // as the last GrowFilesystem waited for
    std::atomic<int> mains{0};               // detached starts with tag "main"
    std::atomic<uint32_t> main_signal{0};    // the signal that "main" was sent, which ended it
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
  void OnFollow(const agent::v1::FollowProcess& follow);
  void OnSignalProcess(const agent::v1::SignalProcess& signal);
  void OnListProcesses();
  void OnConnectStream(const agent::v1::Address& address);
  void OnListen(const agent::v1::Address& address);
  void OnAcceptStream(uint64_t token);
  void OnOpenDatagrams(uint16_t port);
  void OnWaitPort(uint16_t port);
  void OnGetStats();
  void OnSetClock(const agent::v1::SetClock& set);
  void OnFreeze();
  void OnThaw();
  void OnGrow(const agent::v1::GrowFilesystem& grow);
  // The connection becomes a stream to `socket`.
  void JoinTo(UniqueFd socket);
  void Reply(const agent::v1::AgentFrame& frame);
  void CloseStreams();
  void OnReadTree(const std::string& path);
  void OnWriteTree(const std::string& path);
  void OnListDirectory();
  void SendTree(const std::string& bytes);
  void SendTreeEnd();
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
  std::string program_;   // while it runs
  bool endless_ = false;  // sends more of a tree whenever the client has read
  bool close_when_sent_ = false;
  std::unique_ptr<StreamDial> dial_;
  std::unique_ptr<StreamListener> listener_;
  std::string listener_path_;
  UniqueFd datagrams_;
  BytePump::Handle pump_;
  bool joined_ = false;  // the pump has the connection
  bool waits_for_port_ = false;
  bool freezes_ = false;
  EventLoop::TimerId again_ = 0;
  std::shared_ptr<FakeAgent> self_;  // until Close
};

}  // namespace ember::testing
