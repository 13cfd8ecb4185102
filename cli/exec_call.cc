#include "cli/exec_call.h"

#include <grpcpp/grpcpp.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <csignal>
#include <optional>
#include <set>
#include <thread>
#include <utility>

#include "base/event_loop.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "cli/detach_keys.h"
#include "cli/exit_code.h"
#include "cli/input_stream.h"
#include "cli/output_stream.h"
#include "cli/pending_input.h"
#include "cli/rpc_status.h"
#include "cli/terminal.h"
#include "ember/v1/host_service.grpc.pb.h"
#include "ember/v1/process_service.grpc.pb.h"

namespace ember::cli {
namespace {

// How long a signal may wait behind input that the guest does not take.
constexpr absl::Duration kSignalPatience = absl::Seconds(1);
constexpr int kBrokenPipe = 128 + SIGPIPE;

int CodeOf(const v1::ExecExited& exited) {
  if (exited.timed_out()) return kExecTimedOut;
  if (exited.how_case() == v1::ExecExited::kSignal) return 128 + static_cast<int>(exited.signal());
  return exited.code() & 0xFF;
}

// The two calls that join this process to one in a VM. Their messages have the same steps, beside
// the first ones.
struct ExecWire {
  using Service = v1::HostService;
  using Start = v1::ExecStart;
  using Request = v1::ExecRequest;
  using Response = v1::ExecResponse;
  static auto Prepare(Service::Stub& stub, grpc::ClientContext& context,
                      grpc::CompletionQueue& queue) {
    return stub.PrepareAsyncExec(&context, &queue);
  }
};
struct FollowWire {
  using Service = v1::ProcessService;
  using Start = v1::FollowStart;
  using Request = v1::FollowProcessRequest;
  using Response = v1::FollowProcessResponse;
  static auto Prepare(Service::Stub& stub, grpc::ClientContext& context,
                      grpc::CompletionQueue& queue) {
    return stub.PrepareAsyncFollowProcess(&context, &queue);
  }
};

// How this process takes part in the other one.
struct Part {
  bool sends_input = true;
  // Signals go to the other process; else the first one ends the call.
  bool sends_signals = true;
  bool raw_terminal = false;  // ours, while the other process runs
  bool detach_keys = false;   // on that terminal
  std::function<void(uint64_t)> lost = [](uint64_t) {};
};

// One call. Lives on the event loop that Run runs, except for the thread that takes events off
// gRPC's queue and posts them to the loop. At most one read and one write are under way.
template <typename Wire>
class ExecCall {
 public:
  ExecCall(EventLoop& loop, SignalQueue& signals, const Part& part)
      : loop_(loop),
        signals_(signals),
        part_(part),
        stdin_(loop, STDIN_FILENO),
        stdout_(loop, STDOUT_FILENO),
        stderr_(loop, STDERR_FILENO),
        pending_(part.sends_input ? PendingInput::Stdin::kForwarded : PendingInput::Stdin::kNone) {}

  absl::StatusOr<CallOutcome> Run(const std::shared_ptr<grpc::ChannelInterface>& channel,
                                  const typename Wire::Start& start);

 private:
  using Step = void (ExecCall::*)(bool ok);
  // What a tag of gRPC's queue points to: the reaction to the event.
  struct Event {
    Step step;
  };

  void TakeEvents();
  void Read();
  void OnRead(bool ok);
  void OnStarted(const v1::ExecStarted& started);
  void OnStarted(const v1::FollowStarted& started);
  void EnterRawMode();
  void OnCredit(uint64_t bytes);
  void OnOutput(const absl::Status& status);
  void Write();
  void OnWritten(bool ok);
  void ReadInput();
  void OnInput(std::string bytes);
  void OnSignals();
  void OnSignal(int signal);
  void Cancel();
  void Finish();
  void OnFinished(bool ok) { loop_.Stop(); }
  absl::StatusOr<CallOutcome> Result() const;

  EventLoop& loop_;
  SignalQueue& signals_;
  const Part part_;
  grpc::ClientContext context_;
  grpc::CompletionQueue queue_;
  std::unique_ptr<grpc::ClientAsyncReaderWriter<typename Wire::Request, typename Wire::Response>>
      stream_;
  Event read_event_{&ExecCall::OnRead};
  Event write_event_{&ExecCall::OnWritten};
  Event finish_event_{&ExecCall::OnFinished};

  InputStream stdin_;
  OutputStream stdout_;
  OutputStream stderr_;
  std::optional<RawMode> raw_;
  DetachKeys detach_keys_;

  // To the command. `request_` is gRPC's while a write is under way.
  typename Wire::Request request_;
  bool writing_ = false;
  PendingInput pending_;
  std::set<int> seen_signals_;
  EventLoop::TimerId patience_ = 0;

  // From the command.
  typename Wire::Response response_;
  bool reading_ = false;
  CallOutcome outcome_;
  std::optional<v1::ExecExited> exited_;
  absl::Status output_failure_;
  bool cancelled_ = false;  // by us
  int cancelled_by_ = 0;    // a signal
  bool finishing_ = false;
  grpc::Status status_;
};

template <typename Wire>
void ExecCall<Wire>::TakeEvents() {
  void* tag = nullptr;
  bool ok = false;
  while (queue_.Next(&tag, &ok)) {
    const Step step = static_cast<Event*>(tag)->step;
    loop_.Post([this, step, ok] { (this->*step)(ok); });
  }
}

template <typename Wire>
absl::StatusOr<CallOutcome> ExecCall<Wire>::Run(
    const std::shared_ptr<grpc::ChannelInterface>& channel, const typename Wire::Start& start) {
  const auto stub = Wire::Service::NewStub(channel);
  RETURN_IF_ERROR(loop_.Watch(signals_.fd(), EPOLLIN, [this](uint32_t) { OnSignals(); }));
  context_.set_initial_metadata_corked(true);  // travels with the first message
  stream_ = Wire::Prepare(*stub, context_, queue_);
  stream_->StartCall(nullptr);  // corked: answers with no event
  *request_.mutable_start() = start;
  writing_ = true;
  stream_->Write(request_, &write_event_);
  Read();
  std::thread events(&ExecCall::TakeEvents, this);
  loop_.Run();
  raw_.reset();
  stdin_.Stop();
  loop_.Forget(signals_.fd());
  queue_.Shutdown();
  events.join();
  return Result();
}

template <typename Wire>
void ExecCall<Wire>::Read() {
  reading_ = true;
  stream_->Read(&response_, &read_event_);
}

template <typename Wire>
void ExecCall<Wire>::OnRead(bool ok) {
  reading_ = false;
  // Once cancelled, output is of no interest: its reader may never take it.
  if (!ok || cancelled_) return Finish();
  const auto take = [this](const absl::Status& status) { OnOutput(status); };
  using Response = typename Wire::Response;
  if constexpr (requires { response_.lost_bytes(); }) {
    if (response_.lost_bytes() > 0) part_.lost(response_.lost_bytes());
  }
  switch (response_.step_case()) {
    case Response::kStdoutData:
      return stdout_.Write(std::move(*response_.mutable_stdout_data()), take);
    case Response::kStderrData:
      return stderr_.Write(std::move(*response_.mutable_stderr_data()), take);
    case Response::kExited:
      exited_ = response_.exited();
      return Finish();
    case Response::kStarted:
      OnStarted(response_.started());
      OnCredit(response_.started().stdin_credit());
      return Read();
    case Response::kStdinCredit:
      OnCredit(response_.stdin_credit());
      [[fallthrough]];
    default:
      Read();
  }
}

template <typename Wire>
void ExecCall<Wire>::OnStarted(const v1::ExecStarted& started) {
  outcome_.tag = started.tag();
  EnterRawMode();
}

template <typename Wire>
void ExecCall<Wire>::OnStarted(const v1::FollowStarted& started) {
  if (started.tty()) {
    EnterRawMode();
  } else {
    pending_.Close();
  }
}

template <typename Wire>
void ExecCall<Wire>::EnterRawMode() {
  if (!part_.raw_terminal || !IsTerminal(STDIN_FILENO)) return;
  auto raw = RawMode::Enter(STDIN_FILENO);
  if (raw.ok()) raw_.emplace(*std::move(raw));  // without it the session is line by line
}

template <typename Wire>
void ExecCall<Wire>::OnCredit(uint64_t bytes) {
  pending_.AddCredit(bytes);
  Write();
}

template <typename Wire>
void ExecCall<Wire>::OnOutput(const absl::Status& status) {
  if (finishing_) return;
  if (status.ok()) return Read();
  output_failure_ = status;
  Cancel();
}

// Sends what is most urgent, if anything; else waits for input.
template <typename Wire>
void ExecCall<Wire>::Write() {
  if (writing_ || finishing_ || exited_.has_value()) return;
  if (!pending_.TakeNext(request_)) return ReadInput();
  writing_ = true;
  stream_->Write(request_, &write_event_);
}

template <typename Wire>
void ExecCall<Wire>::OnWritten(bool ok) {
  writing_ = false;
  if (!ok) return;  // the call has ended: the read under way says why
  if (!pending_.has_signals()) loop_.CancelTimer(std::exchange(patience_, 0));
  Write();
}

template <typename Wire>
void ExecCall<Wire>::ReadInput() {
  if (stdin_.reading() || !pending_.wants_more()) return;
  stdin_.Read([this](std::string bytes) { OnInput(std::move(bytes)); });
}

template <typename Wire>
void ExecCall<Wire>::OnInput(std::string bytes) {
  const bool ended = bytes.empty();
  if (part_.detach_keys && raw_.has_value() && detach_keys_.Take(bytes)) {
    outcome_.detached = true;
    return Cancel();
  }
  // Of a part of the detach keys nothing is sent yet, and that is no end.
  if (ended || !bytes.empty()) pending_.Add(std::move(bytes));
  Write();
}

template <typename Wire>
void ExecCall<Wire>::OnSignals() {
  while (const auto signal = signals_.Next()) OnSignal(*signal);
}

template <typename Wire>
void ExecCall<Wire>::OnSignal(int signal) {
  if (signal == SIGWINCH) {
    if (part_.raw_terminal) pending_.SetResized();
    return Write();
  }
  if (!part_.sends_signals || !seen_signals_.insert(signal).second) {
    cancelled_by_ = signal;
    return Cancel();
  }
  pending_.AddSignal(signal);
  Write();
  if (!pending_.has_signals() || patience_ != 0) return;
  patience_ = loop_.RunAfter(kSignalPatience, [this, signal] {
    patience_ = 0;
    cancelled_by_ = signal;
    Cancel();
  });
}

template <typename Wire>
void ExecCall<Wire>::Cancel() {
  cancelled_ = true;
  context_.TryCancel();
  if (!reading_) Finish();  // else the read under way fails and finishes
}

template <typename Wire>
void ExecCall<Wire>::Finish() {
  if (std::exchange(finishing_, true)) return;
  stdin_.Stop();
  stream_->Finish(&status_, &finish_event_);
}

template <typename Wire>
absl::StatusOr<CallOutcome> ExecCall<Wire>::Result() const {
  CallOutcome outcome = outcome_;
  if (exited_.has_value()) {
    outcome.code = CodeOf(*exited_);
    outcome.ended = true;
    return outcome;
  }
  if (outcome.detached) return outcome;
  if (cancelled_by_ == SIGINT) {
    return WithReason(Cancelled("interrupted"), kReasonInterrupted);
  }
  if (cancelled_by_ != 0) {
    outcome.code = 128 + cancelled_by_;
    return outcome;
  }
  if (absl::IsUnavailable(output_failure_)) {
    outcome.code = kBrokenPipe;
    return outcome;
  }
  if (!output_failure_.ok()) return output_failure_;
  const absl::Status failure = StatusOfCall(status_, context_);
  if (!failure.ok()) return failure;
  return outcome;
}

}  // namespace

absl::StatusOr<CallOutcome> RunExec(const std::shared_ptr<grpc::ChannelInterface>& channel,
                                    SignalQueue& signals, const v1::ExecStart& start,
                                    ExecInput input) {
  ASSIGN_OR_RETURN(const auto loop, EventLoop::Create("exec"));
  const bool detaches = start.has_detach();
  ExecCall<ExecWire> call(*loop, signals,
                          {.sends_input = input == ExecInput::kForward && !detaches,
                           .sends_signals = !detaches,
                           .raw_terminal = start.has_tty() && !detaches});
  ASSIGN_OR_RETURN(CallOutcome outcome, call.Run(channel, start));
  if (outcome.code.has_value() || (detaches && !outcome.tag.empty())) return outcome;
  return Internal("the daemon ended the command without its exit code");
}

absl::StatusOr<CallOutcome> RunFollow(const std::shared_ptr<grpc::ChannelInterface>& channel,
                                      SignalQueue& signals, const v1::FollowStart& start,
                                      std::function<void(uint64_t bytes)> lost) {
  ASSIGN_OR_RETURN(const auto loop, EventLoop::Create("follow"));
  const bool attaches = start.attach();
  ExecCall<FollowWire> call(*loop, signals,
                            {.sends_input = attaches,
                             .sends_signals = attaches,
                             .raw_terminal = attaches,
                             .detach_keys = attaches,
                             .lost = std::move(lost)});
  return call.Run(channel, start);
}

}  // namespace ember::cli
