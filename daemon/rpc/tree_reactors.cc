#include "daemon/rpc/tree_reactors.h"

#include <algorithm>
#include <deque>
#include <memory>
#include <utility>

#include "base/status.h"
#include "daemon/file_session.h"
#include "daemon/rpc/status_to_grpc.h"

namespace ember::daemon::rpc {
namespace {

using agent::v1::AgentFrame;
using agent::v1::ClientFrame;

constexpr size_t kMaxPiece = size_t{256} << 10;
constexpr int kMaxSkipped = 100;
constexpr int64_t kNanoseconds = 1'000'000'000;

// What there is of a call on `io`, whichever way its pieces go: gRPC's threads only post to it.
// Shared by the reactor, the session and posted tasks.
class FileCall : public FileSession::Client, public std::enable_shared_from_this<FileCall> {
 public:
  FileCall(Host& host, EventLoop& io) : host_(host), io_(io) {}

  EventLoop& io() const { return io_; }
  void OnCancelled() {
    cancelled_ = true;
    if (session_ != nullptr) session_->Cancel();
  }

 protected:
  void Begin(const std::string& vm, ClientFrame request) {
    host_.Reach(vm, Reply<ReachedVm>([call = shared_from_this(), request = std::move(request)](
                                         absl::StatusOr<ReachedVm> reached) mutable {
                  call->io_.Post(
                      [call, request = std::move(request), reached = std::move(reached)]() mutable {
                        call->OnReached(std::move(reached), std::move(request));
                      });
                }));
  }

  bool cancelled() const { return cancelled_; }
  FileSession* session() const { return session_.get(); }

 private:
  void OnReached(absl::StatusOr<ReachedVm> vm, ClientFrame request) {
    if (!vm.ok()) return Ended(vm.status());
    if (cancelled_) return Ended(Cancelled("the call was cancelled"));
    session_ = FileSession::Start(io_, *std::move(vm), std::move(request), kReachLimit,
                                  shared_from_this());
  }

  Host& host_;
  EventLoop& io_;
  std::shared_ptr<FileSession> session_;
  bool cancelled_ = false;
};

void Fill(const AgentFrame& frame, v1::ReadTreeResponse& response) {
  if (frame.has_tree_end()) {
    *response.mutable_end() = ToProto(frame.tree_end());
  } else {
    response.set_data(frame.tree_data().payload());
  }
}

void Fill(const AgentFrame& frame, v1::ListDirectoryResponse& response) {
  for (const agent::v1::FileInfo& facts : frame.file_list().files()) {
    *response.add_files() = ToProto(facts);
  }
}

size_t PieceSize(const v1::ReadTreeResponse& response) { return response.data().size(); }
size_t PieceSize(const v1::ListDirectoryResponse&) { return 0; }

// A call whose answer comes in pieces, each a message of the type `Response`.
template <typename Response>
class AnswerCall : public FileCall {
 public:
  AnswerCall(Host& host, EventLoop& io, grpc::ServerWriteReactor<Response>& reactor,
             grpc::CallbackServerContext& context)
      : FileCall(host, io), reactor_(reactor), context_(context) {}

  using FileCall::Begin;

  void OnWritten(bool ok) {
    writing_ = false;
    const size_t size = PieceSize(queue_.front());
    queue_.pop_front();
    if (!ok) OnCancelled();
    if (session() != nullptr) session()->Taken(size);
    WriteNext();
  }

 private:
  void Answer(const AgentFrame& frame) override {
    Fill(frame, queue_.emplace_back());
    WriteNext();
  }
  void Room() override {}
  void Ended(absl::Status status) override {
    ended_ = true;
    end_ = std::move(status);
    WriteNext();
  }

  // One write at a time; after the last one the call ends.
  void WriteNext() {
    if (writing_ || finished_) return;
    if (!queue_.empty() && !cancelled()) {
      writing_ = true;
      return reactor_.StartWrite(&queue_.front());
    }
    if (!ended_) return;
    finished_ = true;
    reactor_.Finish(StatusToGrpc(end_, context_));
  }

  grpc::ServerWriteReactor<Response>& reactor_;  // lives until Finish was called and gRPC is done
  grpc::CallbackServerContext& context_;
  std::deque<Response> queue_;  // bounded by the session's window
  absl::Status end_;
  bool writing_ = false;
  bool ended_ = false;
  bool finished_ = false;
};

template <typename Response>
class AnswerReactor : public grpc::ServerWriteReactor<Response> {
 public:
  AnswerReactor(Host& host, EventLoop& io, grpc::CallbackServerContext& context,
                const std::string& vm, ClientFrame request)
      : call_(std::make_shared<AnswerCall<Response>>(host, io, *this, context)) {
    call_->Begin(vm, std::move(request));
  }

 private:
  void OnWriteDone(bool ok) override {
    call_->io().Post([call = call_, ok] { call->OnWritten(ok); });
  }
  void OnCancel() override {
    call_->io().Post([call = call_] { call->OnCancelled(); });
  }
  void OnDone() override { delete this; }

  const std::shared_ptr<AnswerCall<Response>> call_;
};

class WriteTreeReactor;

class WriteTreeCall : public FileCall {
 public:
  WriteTreeCall(Host& host, EventLoop& io, WriteTreeReactor& reactor,
                grpc::CallbackServerContext& context, v1::TreeEnd& response)
      : FileCall(host, io), reactor_(reactor), context_(context), response_(response) {}

  void OnRequest(bool ok);

 private:
  void Answer(const AgentFrame& frame) override { response_ = ToProto(frame.tree_end()); }
  void Room() override { ReadNext(); }
  void Ended(absl::Status status) override { Finish(status); }

  void OnStart(const v1::WriteTreeStart& start);
  void ReadNext();
  // Ends the call and the session for a client that breaks the protocol.
  void Refuse(const absl::Status& status);
  void Finish(const absl::Status& status);

  WriteTreeReactor& reactor_;  // lives until Finish has been called and gRPC is done
  grpc::CallbackServerContext& context_;
  v1::TreeEnd& response_;
  bool begun_ = false;
  bool reading_ = true;  // the reactor has started with it
  bool whole_ = false;
  bool finished_ = false;
};

class WriteTreeReactor : public grpc::ServerReadReactor<v1::WriteTreeRequest> {
 public:
  WriteTreeReactor(Host& host, EventLoop& io, grpc::CallbackServerContext& context,
                   v1::TreeEnd& response)
      : call_(std::make_shared<WriteTreeCall>(host, io, *this, context, response)) {
    StartRead(&request);
  }

  v1::WriteTreeRequest request;

 private:
  void OnReadDone(bool ok) override {
    call_->io().Post([call = call_, ok] { call->OnRequest(ok); });
  }
  void OnCancel() override {
    call_->io().Post([call = call_] { call->OnCancelled(); });
  }
  void OnDone() override { delete this; }

  const std::shared_ptr<WriteTreeCall> call_;
};

void WriteTreeCall::OnRequest(bool ok) {
  reading_ = false;
  if (finished_) return;
  if (!ok) return Refuse(InvalidArgument("the stream ended before the tree did"));
  v1::WriteTreeRequest& request = reactor_.request;
  if (!begun_) {
    if (!request.has_start()) return Refuse(InvalidArgument("the first message must be 'start'"));
    return OnStart(request.start());
  }
  if (request.has_end()) {
    whole_ = true;
    return session()->SendEnd();
  }
  if (request.data().size() > kMaxPiece) {
    return Refuse(InvalidArgument("{} bytes in one message, {} are allowed", request.data().size(),
                                  kMaxPiece));
  }
  if (!request.data().empty()) session()->SendPiece(std::move(*request.mutable_data()));
  if (session()->HasRoom()) ReadNext();
}

void WriteTreeCall::OnStart(const v1::WriteTreeStart& start) {
  begun_ = true;
  ClientFrame frame;
  agent::v1::WriteTree& write = *frame.mutable_write_tree();
  write.set_path(start.path());
  write.set_single(start.single());
  write.set_name(start.name());
  write.set_keep_owner(start.keep_owner());
  Begin(start.vm(), std::move(frame));
}

void WriteTreeCall::ReadNext() {
  if (finished_ || whole_ || std::exchange(reading_, true)) return;
  reactor_.StartRead(&reactor_.request);
}

void WriteTreeCall::Refuse(const absl::Status& status) {
  Finish(status);
  OnCancelled();
}

void WriteTreeCall::Finish(const absl::Status& status) {
  if (std::exchange(finished_, true)) return;
  reactor_.Finish(StatusToGrpc(status, context_));
}

}  // namespace

grpc::ServerWriteReactor<v1::ReadTreeResponse>* NewReadTreeReactor(
    Host& host, EventLoop& io, grpc::CallbackServerContext& context,
    const v1::ReadTreeRequest& request) {
  ClientFrame frame;
  frame.mutable_read_tree()->set_path(request.path());
  frame.mutable_read_tree()->set_follow_symlinks(request.follow_symlinks());
  frame.mutable_read_tree()->set_contents(request.contents());
  return new AnswerReactor<v1::ReadTreeResponse>(host, io, context, request.vm(), std::move(frame));
}

grpc::ServerWriteReactor<v1::ListDirectoryResponse>* NewListDirectoryReactor(
    Host& host, EventLoop& io, grpc::CallbackServerContext& context,
    const v1::ListDirectoryRequest& request) {
  ClientFrame frame;
  frame.mutable_list_directory()->set_path(request.path());
  return new AnswerReactor<v1::ListDirectoryResponse>(host, io, context, request.vm(),
                                                      std::move(frame));
}

grpc::ServerReadReactor<v1::WriteTreeRequest>* NewWriteTreeReactor(
    Host& host, EventLoop& io, grpc::CallbackServerContext& context, v1::TreeEnd& response) {
  return new WriteTreeReactor(host, io, context, response);
}

v1::FileInfo ToProto(const agent::v1::FileInfo& facts) {
  v1::FileInfo info;
  info.set_name(facts.name());
  info.set_mode(facts.mode());
  info.set_size_bytes(facts.size_bytes());
  info.set_disk_bytes(facts.disk_bytes());
  info.set_uid(facts.uid());
  info.set_gid(facts.gid());
  // The part of the second is never negative.
  int64_t seconds = facts.mtime_unix_ns() / kNanoseconds;
  int64_t nanoseconds = facts.mtime_unix_ns() % kNanoseconds;
  if (nanoseconds < 0) {
    seconds -= 1;
    nanoseconds += kNanoseconds;
  }
  info.mutable_modified_at()->set_seconds(seconds);
  info.mutable_modified_at()->set_nanos(static_cast<int32_t>(nanoseconds));
  info.set_link_target(facts.link_target());
  info.set_user(facts.user());
  info.set_group(facts.group());
  return info;
}

v1::TreeEnd ToProto(const agent::v1::TreeEnd& end) {
  v1::TreeEnd result;
  result.set_files(end.files());
  result.set_bytes(end.bytes());
  for (int i = 0; i < std::min(end.skipped_size(), kMaxSkipped); ++i) {
    result.add_skipped(end.skipped(i));
  }
  return result;
}

}  // namespace ember::daemon::rpc
