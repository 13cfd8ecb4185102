#include "cli/exec_call.h"

#include <grpcpp/grpcpp.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <deque>
#include <optional>
#include <set>
#include <thread>
#include <utility>

#include "base/event_loop.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "cli/exit_code.h"
#include "cli/input_stream.h"
#include "cli/output_stream.h"
#include "cli/rpc_status.h"
#include "cli/terminal.h"
#include "ember/v1/host_service.grpc.pb.h"

namespace ember::cli {
namespace {

// How long a signal may wait behind input that the guest does not take.
constexpr absl::Duration kSignalPatience = absl::Seconds(1);
constexpr int kBrokenPipe = 128 + SIGPIPE;

// One exec. Lives on the event loop that Run runs, except for the thread that takes events off
// gRPC's queue and posts them to the loop. At most one read and one write are under way.
class ExecCall {
 public:
  ExecCall(EventLoop& loop, SignalQueue& signals, ExecInput input)
      : loop_(loop),
        signals_(signals),
        stdin_(loop, STDIN_FILENO),
        stdout_(loop, STDOUT_FILENO),
        stderr_(loop, STDERR_FILENO),
        stdin_ended_(input == ExecInput::kNone) {}

  absl::StatusOr<int> Run(v1::HostService::Stub& stub, const v1::ExecStart& start);

 private:
  using Step = void (ExecCall::*)(bool ok);
  // What a tag of gRPC's queue points to: the reaction to the event.
  struct Event {
    Step step;
  };

  void TakeEvents();
  void Read();
  void OnRead(bool ok);
  void OnStarted();
  void OnCredit(uint64_t bytes);
  void OnOutput(const absl::Status& status);
  void Write();
  bool PrepareWrite();
  void OnWritten(bool ok);
  void ReadInput();
  void OnSignals();
  void OnSignal(int signal);
  void Cancel();
  void Finish();
  void OnFinished(bool ok) { loop_.Stop(); }
  absl::StatusOr<int> Result() const;

  EventLoop& loop_;
  SignalQueue& signals_;
  grpc::ClientContext context_;
  grpc::CompletionQueue queue_;
  std::unique_ptr<grpc::ClientAsyncReaderWriter<v1::ExecRequest, v1::ExecResponse>> stream_;
  Event read_event_{&ExecCall::OnRead};
  Event write_event_{&ExecCall::OnWritten};
  Event finish_event_{&ExecCall::OnFinished};

  InputStream stdin_;
  OutputStream stdout_;
  OutputStream stderr_;
  std::optional<RawMode> raw_;
  bool tty_ = false;

  // To the command. `request_` is gRPC's while a write is under way.
  v1::ExecRequest request_;
  bool writing_ = false;
  std::string input_;          // read, not yet sent
  uint64_t stdin_credit_ = 0;  // so many bytes of it the guest has room for
  bool stdin_ended_;
  bool stdin_end_sent_ = false;
  bool resized_ = false;
  std::deque<int> unsent_signals_;
  std::set<int> seen_signals_;
  EventLoop::TimerId patience_ = 0;

  // From the command.
  v1::ExecResponse response_;
  bool reading_ = false;
  std::optional<v1::ExecExited> exited_;
  absl::Status output_failure_;
  int cancelled_by_ = 0;  // a signal
  bool finishing_ = false;
  grpc::Status status_;
};

void ExecCall::TakeEvents() {
  void* tag = nullptr;
  bool ok = false;
  while (queue_.Next(&tag, &ok)) {
    const Step step = static_cast<Event*>(tag)->step;
    loop_.Post([this, step, ok] { (this->*step)(ok); });
  }
}

absl::StatusOr<int> ExecCall::Run(v1::HostService::Stub& stub, const v1::ExecStart& start) {
  RETURN_IF_ERROR(loop_.Watch(signals_.fd(), EPOLLIN, [this](uint32_t) { OnSignals(); }));
  tty_ = start.has_tty();
  context_.set_initial_metadata_corked(true);  // travels with the first message
  stream_ = stub.PrepareAsyncExec(&context_, &queue_);
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

void ExecCall::Read() {
  reading_ = true;
  stream_->Read(&response_, &read_event_);
}

void ExecCall::OnRead(bool ok) {
  reading_ = false;
  if (!ok) return Finish();
  const auto take = [this](const absl::Status& status) { OnOutput(status); };
  switch (response_.step_case()) {
    case v1::ExecResponse::kStdoutData:
      return stdout_.Write(std::move(*response_.mutable_stdout_data()), take);
    case v1::ExecResponse::kStderrData:
      return stderr_.Write(std::move(*response_.mutable_stderr_data()), take);
    case v1::ExecResponse::kExited:
      exited_ = response_.exited();
      return Finish();
    case v1::ExecResponse::kStarted:
      OnStarted();
      OnCredit(response_.started().stdin_credit());
      return Read();
    case v1::ExecResponse::kStdinCredit:
      OnCredit(response_.stdin_credit());
      [[fallthrough]];
    default:
      Read();
  }
}

void ExecCall::OnStarted() {
  if (!tty_ || !IsTerminal(STDIN_FILENO)) return;
  auto raw = RawMode::Enter(STDIN_FILENO);
  if (raw.ok()) raw_.emplace(*std::move(raw));  // without it the session is line by line
}

void ExecCall::OnCredit(uint64_t bytes) {
  stdin_credit_ += bytes;
  Write();
}

void ExecCall::OnOutput(const absl::Status& status) {
  if (finishing_) return;
  if (status.ok()) return Read();
  output_failure_ = status;
  Cancel();
}

// Sends what is most urgent, if anything; else waits for input.
void ExecCall::Write() {
  if (writing_ || finishing_ || exited_.has_value()) return;
  if (!PrepareWrite()) return ReadInput();
  writing_ = true;
  stream_->Write(request_, &write_event_);
}

bool ExecCall::PrepareWrite() {
  if (!unsent_signals_.empty()) {
    request_.set_signal(static_cast<uint32_t>(unsent_signals_.front()));
    unsent_signals_.pop_front();
  } else if (resized_) {
    resized_ = false;
    const WindowSize size = OurWindowSize();
    request_.mutable_resize()->set_rows(size.rows);
    request_.mutable_resize()->set_columns(size.columns);
  } else if (!input_.empty()) {
    if (stdin_credit_ == 0) return false;
    const size_t size = std::min<uint64_t>(input_.size(), stdin_credit_);
    stdin_credit_ -= size;
    request_.set_stdin_data(input_.substr(0, size));
    input_.erase(0, size);
  } else if (stdin_ended_ && !stdin_end_sent_) {
    stdin_end_sent_ = true;
    request_.set_stdin_end(true);
  } else {
    return false;
  }
  return true;
}

void ExecCall::OnWritten(bool ok) {
  writing_ = false;
  if (!ok) return;  // the call has ended: the read under way says why
  if (unsent_signals_.empty()) loop_.CancelTimer(std::exchange(patience_, 0));
  Write();
}

void ExecCall::ReadInput() {
  // Nothing is taken from our input that the guest has no room for.
  if (stdin_ended_ || stdin_.reading() || !input_.empty() || stdin_credit_ == 0) return;
  stdin_.Read([this](std::string bytes) {
    if (bytes.empty()) stdin_ended_ = true;
    input_ = std::move(bytes);
    Write();
  });
}

void ExecCall::OnSignals() {
  while (const auto signal = signals_.Next()) OnSignal(*signal);
}

void ExecCall::OnSignal(int signal) {
  if (signal == SIGWINCH) {
    resized_ = tty_;
    return Write();
  }
  if (!seen_signals_.insert(signal).second) {
    cancelled_by_ = signal;
    return Cancel();
  }
  unsent_signals_.push_back(signal);
  Write();
  if (unsent_signals_.empty() || patience_ != 0) return;
  patience_ = loop_.RunAfter(kSignalPatience, [this, signal] {
    patience_ = 0;
    cancelled_by_ = signal;
    Cancel();
  });
}

void ExecCall::Cancel() {
  context_.TryCancel();
  if (!reading_) Finish();  // else the read under way fails and finishes
}

void ExecCall::Finish() {
  if (std::exchange(finishing_, true)) return;
  stdin_.Stop();
  stream_->Finish(&status_, &finish_event_);
}

absl::StatusOr<int> ExecCall::Result() const {
  if (exited_.has_value()) {
    if (exited_->timed_out()) return kExecTimedOut;
    if (exited_->how_case() == v1::ExecExited::kSignal) {
      return 128 + static_cast<int>(exited_->signal());
    }
    return exited_->code() & 0xFF;
  }
  if (cancelled_by_ == SIGINT) {
    return WithReason(Cancelled("interrupted"), kReasonInterrupted);
  }
  if (cancelled_by_ != 0) return 128 + cancelled_by_;
  if (absl::IsUnavailable(output_failure_)) return kBrokenPipe;
  if (!output_failure_.ok()) return output_failure_;
  const absl::Status failure = StatusOfCall(status_, context_);
  if (!failure.ok()) return failure;
  return Internal("the daemon ended the command without its exit code");
}

}  // namespace

absl::StatusOr<int> RunExec(const std::shared_ptr<grpc::ChannelInterface>& channel,
                            SignalQueue& signals, const v1::ExecStart& start, ExecInput input) {
  ASSIGN_OR_RETURN(const auto loop, EventLoop::Create("exec"));
  const auto stub = v1::HostService::NewStub(channel);
  ExecCall call(*loop, signals, input);
  return call.Run(*stub, start);
}

}  // namespace ember::cli
