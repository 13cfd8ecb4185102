#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/event_loop.h"
#include "base/subprocess.h"
#include "guest-agent/children.h"
#include "guest-agent/spawner.h"

namespace ember::agent {

enum class OutputStream { kOut, kErr };
enum class StreamKind { kPipes, kTerminal };
// Who gets a signal: the process group (on a terminal its foreground group), the process's own
// group, or the process alone.
enum class SignalTarget { kForeground, kGroup, kLeader };

// One process of a session with its streams. What it has written by the time it ends is delivered
// before its end is reported; what its descendants write later is not waited for (they may keep the
// pipe open for ever, and would keep the session open too). Lives on the event loop.
class Execution {
 public:
  // Called on the loop. The owner must not destroy the execution from within a call, except that
  // `ended` is the last one and may.
  struct Events {
    std::function<void(OutputStream, std::string_view)> output;
    std::function<void(size_t)> input_consumed;  // bytes of WriteInput that are done with
    std::function<void(ExitStatus)> ended;
  };

  // Starts the process; errors as Spawner::Spawn. `loop` and `children` outlive the execution.
  static absl::StatusOr<std::unique_ptr<Execution>> Start(EventLoop& loop, Children& children,
                                                          Spawner& spawner, const ProcessSpec& spec,
                                                          Events events);
  // Takes over a process that runs already, a child of ours. After an error it is hung up.
  static absl::StatusOr<std::unique_ptr<Execution>> Adopt(EventLoop& loop, Children& children,
                                                          SpawnedProcess process, StreamKind kind,
                                                          Events events);
  // Hangs the process group up if the process has not ended.
  ~Execution();
  Execution(const Execution&) = delete;
  Execution& operator=(const Execution&) = delete;

  pid_t pid() const { return pid_; }

  // Queues bytes for standard input. The queue is as long as the owner lets it get. Bytes that the
  // process can't take any more (it closed its input or ended) count as consumed.
  void WriteInput(std::string_view bytes);
  // Ends standard input after what is queued; on a terminal by its end-of-file character.
  void EndInput();

  // Held back, output stays in the pipe and stops the process in its write; its end waits too.
  void HoldOutput();
  void ReleaseOutput();

  // Changes the size of the terminal; without one nothing happens.
  void Resize(TerminalSize size);
  // Nothing happens after the process has ended.
  void Signal(int number, SignalTarget target = SignalTarget::kForeground);

  // Gives the process up: it goes on and keeps its streams. Input that it has not taken is lost.
  // Only Adopt may follow, of this process or of the program that it becomes; not after the end.
  SpawnedProcess Release();

 private:
  // One of our reading ends.
  struct Source {
    UniqueFd fd;
    OutputStream stream;
    size_t budget = SIZE_MAX;  // bytes still to be delivered; bounded once the process has ended
  };

  Execution(EventLoop& loop, Children& children, Events events)
      : loop_(loop), children_(children), events_(std::move(events)) {}
  absl::Status Watch(SpawnedProcess process);
  // Delivers one piece. False when there is nothing more to read for now or for ever.
  bool ReadFrom(Source& source);
  void CloseSource(Source& source);
  void FlushInput();
  void CloseInput();
  void OnExit(ExitStatus exit);
  void Drain();
  pid_t ForegroundGroup() const;

  EventLoop& loop_;
  Children& children_;
  Events events_;
  pid_t pid_ = 0;
  bool terminal_ = false;
  bool held_ = false;
  Source out_{UniqueFd(), OutputStream::kOut};
  Source err_{UniqueFd(), OutputStream::kErr};
  UniqueFd input_;
  std::string input_queue_;
  size_t input_done_ = 0;  // bytes at the front of input_queue_ that are written
  bool input_ending_ = false;
  char last_input_ = '\n';
  std::optional<ExitStatus> exit_;
};

}  // namespace ember::agent
