#include "cli/proxy_call.h"

#include <fcntl.h>
#include <grpcpp/grpcpp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <string>
#include <thread>
#include <utility>

#include "base/event_loop.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"
#include "cli/client.h"
#include "cli/exit_code.h"
#include "cli/input_stream.h"
#include "cli/output_stream.h"
#include "cli/rpc_status.h"
#include "ember/v1/forward_service.grpc.pb.h"

namespace ember::cli {
namespace {

constexpr int kBrokenPipe = 128 + SIGPIPE;

// Whoever reads our output finds its end, though we go on.
void CloseStdout() {
  shutdown(STDOUT_FILENO, SHUT_WR);  // where it is a socket, which stdin may be too
  const UniqueFd nowhere(open("/dev/null", O_WRONLY | O_CLOEXEC));
  if (nowhere.valid()) dup2(nowhere.get(), STDOUT_FILENO);
}

// One proxy. Lives on the event loop that Run runs, except for the thread that takes events off
// gRPC's queue and posts them to the loop. At most one read and one write are under way.
class ProxyCall {
 public:
  ProxyCall(EventLoop& loop, SignalQueue& signals)
      : loop_(loop),
        signals_(signals),
        stdin_(loop, STDIN_FILENO),
        stdout_(std::make_unique<OutputStream>(loop, STDOUT_FILENO)) {}

  absl::StatusOr<int> Run(v1::ForwardService::Stub& stub, const v1::ProxyStart& start);

 private:
  using Step = void (ProxyCall::*)(bool ok);
  // What a tag of gRPC's queue points to: the reaction to the event.
  struct Event {
    Step step;
  };

  void TakeEvents();
  void Read();
  void OnRead(bool ok);
  void OnOutput(const absl::Status& status);
  void ReadInput();
  void OnInput(std::string bytes);
  void OnWritten(bool ok);
  void OnSignal();
  void Cancel();
  void Finish();
  void OnFinished(bool) { loop_.Stop(); }
  absl::StatusOr<int> Result() const;

  EventLoop& loop_;
  SignalQueue& signals_;
  grpc::ClientContext context_;
  grpc::CompletionQueue queue_;
  std::unique_ptr<grpc::ClientAsyncReaderWriter<v1::ProxyRequest, v1::ProxyResponse>> stream_;
  Event read_event_{&ProxyCall::OnRead};
  Event write_event_{&ProxyCall::OnWritten};
  Event finish_event_{&ProxyCall::OnFinished};

  InputStream stdin_;
  std::unique_ptr<OutputStream> stdout_;  // null once the guest has ended its half

  v1::ProxyRequest request_;  // gRPC's while a write is under way
  v1::ProxyResponse response_;
  bool open_ = false;
  bool writing_ = false;
  bool input_ended_ = false;
  bool reading_ = false;
  bool interrupted_ = false;
  bool cancelled_ = false;  // by us
  absl::Status output_failure_;
  bool finishing_ = false;
  grpc::Status status_;
};

void ProxyCall::TakeEvents() {
  void* tag = nullptr;
  bool ok = false;
  while (queue_.Next(&tag, &ok)) {
    const Step step = static_cast<Event*>(tag)->step;
    loop_.Post([this, step, ok] { (this->*step)(ok); });
  }
}

absl::StatusOr<int> ProxyCall::Run(v1::ForwardService::Stub& stub, const v1::ProxyStart& start) {
  RETURN_IF_ERROR(loop_.Watch(signals_.fd(), EPOLLIN, [this](uint32_t) { OnSignal(); }));
  context_.set_initial_metadata_corked(true);  // travels with the first message
  stream_ = stub.PrepareAsyncProxy(&context_, &queue_);
  stream_->StartCall(nullptr);  // corked: answers with no event
  *request_.mutable_start() = start;
  writing_ = true;
  stream_->Write(request_, &write_event_);
  Read();
  std::thread events(&ProxyCall::TakeEvents, this);
  loop_.Run();
  stdin_.Stop();
  loop_.Forget(signals_.fd());
  queue_.Shutdown();
  events.join();
  return Result();
}

void ProxyCall::Read() {
  reading_ = true;
  stream_->Read(&response_, &read_event_);
}

void ProxyCall::OnRead(bool ok) {
  reading_ = false;
  // Once cancelled, output is of no interest: its reader may never take it.
  if (!ok || cancelled_) return Finish();
  switch (response_.step_case()) {
    case v1::ProxyResponse::kData:
      return stdout_->Write(std::move(*response_.mutable_data()),
                            [this](const absl::Status& status) { OnOutput(status); });
    case v1::ProxyResponse::kOpen:
      open_ = true;
      ReadInput();
      return Read();
    case v1::ProxyResponse::kEnd:
      stdout_.reset();
      CloseStdout();
      return Read();
    default:
      return Read();  // what newer daemons may send
  }
}

void ProxyCall::OnOutput(const absl::Status& status) {
  if (status.ok()) return Read();
  output_failure_ = status;
  Cancel();
}

// Nothing is taken from our input that the call has no room for.
void ProxyCall::ReadInput() {
  if (!open_ || writing_ || input_ended_ || finishing_) return;
  stdin_.Read([this](std::string bytes) { OnInput(std::move(bytes)); });
}

void ProxyCall::OnInput(std::string bytes) {
  input_ended_ = bytes.empty();
  if (input_ended_) {
    request_.set_end(true);
  } else {
    request_.set_data(std::move(bytes));
  }
  writing_ = true;
  stream_->Write(request_, &write_event_);
}

void ProxyCall::OnWritten(bool ok) {
  writing_ = false;
  if (ok) ReadInput();  // else the call has ended: the read under way says why
}

void ProxyCall::OnSignal() {
  while (signals_.Next().has_value()) interrupted_ = true;
  if (interrupted_) Cancel();
}

void ProxyCall::Cancel() {
  cancelled_ = true;
  context_.TryCancel();
  if (!reading_) Finish();  // else the read under way fails and finishes
}

void ProxyCall::Finish() {
  if (std::exchange(finishing_, true)) return;
  stdin_.Stop();
  stream_->Finish(&status_, &finish_event_);
}

absl::StatusOr<int> ProxyCall::Result() const {
  if (interrupted_) return Interrupted();
  if (absl::IsUnavailable(output_failure_)) return kBrokenPipe;
  if (!output_failure_.ok()) return output_failure_;
  const absl::Status failure = StatusOfCall(status_, context_);
  if (!failure.ok()) return failure;
  return kDone;
}

}  // namespace

absl::StatusOr<int> RunProxy(const std::shared_ptr<grpc::ChannelInterface>& channel,
                             SignalQueue& signals, const v1::ProxyStart& start) {
  ASSIGN_OR_RETURN(const auto loop, EventLoop::Create("proxy"));
  const auto stub = v1::ForwardService::NewStub(channel);
  ProxyCall call(*loop, signals);
  return call.Run(*stub, start);
}

}  // namespace ember::cli
