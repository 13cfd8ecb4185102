#include "daemon/rpc/file_service.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/status.h"
#include "daemon/agent_call.h"
#include "daemon/rpc/tree_reactors.h"
#include "daemon/rpc/unary_call.h"

namespace ember::daemon::rpc {
namespace {

using agent::v1::AgentFrame;
using agent::v1::ClientFrame;

constexpr absl::Duration kQuestionLimit = absl::Seconds(30);
// A tree of any size may have to go.
constexpr absl::Duration kRemovalLimit = absl::Minutes(10);

// Asks the agent of the VM named `vm`; `fill` takes its answer, or says that it is none.
template <typename Fill>
FileService::Unary* Ask(Host& host, EventLoop& io, grpc::CallbackServerContext& context,
                        const std::string& vm, ClientFrame question, absl::Duration limit,
                        Fill fill) {
  auto* call = new UnaryCall(context);
  auto answer = Reply<AgentFrame>(
      [done = call->Answer<Done>([](Done) {}), fill](absl::StatusOr<AgentFrame> frame) mutable {
        if (!frame.ok()) return done(frame.status());
        if (!fill(*frame)) return done(DataLoss("the agent's answer does not fit the question"));
        done(Done{});
      });
  limit = std::min(limit, DeadlineOf(context).Remaining());
  host.Reach(
      vm, Reply<ReachedVm>([&io, question = std::move(question), limit,
                            answer = std::move(answer)](absl::StatusOr<ReachedVm> reached) mutable {
        if (!reached.ok()) return answer(reached.status());
        AskVm(io, *std::move(reached), std::move(question), "files", limit, std::move(answer));
      }));
  return call;
}

}  // namespace

grpc::ServerWriteReactor<v1::ReadTreeResponse>* FileService::ReadTree(
    Context* context, const v1::ReadTreeRequest* request) {
  return NewReadTreeReactor(host_, io_, *context, *request);
}

grpc::ServerReadReactor<v1::WriteTreeRequest>* FileService::WriteTree(Context* context,
                                                                      v1::TreeEnd* response) {
  return NewWriteTreeReactor(host_, io_, *context, *response);
}

grpc::ServerWriteReactor<v1::ListDirectoryResponse>* FileService::ListDirectory(
    Context* context, const v1::ListDirectoryRequest* request) {
  return NewListDirectoryReactor(host_, io_, *context, *request);
}

FileService::Unary* FileService::StatFile(Context* context, const v1::StatFileRequest* request,
                                          v1::FileInfo* response) {
  ClientFrame question;
  question.mutable_stat_file()->set_path(request->path());
  question.mutable_stat_file()->set_follow_symlinks(request->follow_symlinks());
  return Ask(host_, io_, *context, request->vm(), std::move(question), kQuestionLimit,
             [response](const AgentFrame& frame) {
               if (frame.file_list().files_size() != 1) return false;
               *response = ToProto(frame.file_list().files(0));
               return true;
             });
}

FileService::Unary* FileService::RemoveFile(Context* context, const v1::RemoveFileRequest* request,
                                            v1::RemoveFileResponse*) {
  ClientFrame question;
  question.mutable_remove_file()->set_path(request->path());
  question.mutable_remove_file()->set_recursive(request->recursive());
  question.mutable_remove_file()->set_missing_ok(request->missing_ok());
  return Ask(host_, io_, *context, request->vm(), std::move(question), kRemovalLimit,
             [](const AgentFrame& frame) { return frame.has_done(); });
}

FileService::Unary* FileService::MakeDirectory(Context* context,
                                               const v1::MakeDirectoryRequest* request,
                                               v1::MakeDirectoryResponse*) {
  ClientFrame question;
  question.mutable_make_directory()->set_path(request->path());
  question.mutable_make_directory()->set_parents(request->parents());
  question.mutable_make_directory()->set_mode(request->mode());
  return Ask(host_, io_, *context, request->vm(), std::move(question), kQuestionLimit,
             [](const AgentFrame& frame) { return frame.has_done(); });
}

}  // namespace ember::daemon::rpc
