#include "cli/file_calls.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>

#include "base/status_macros.h"
#include "cli/call_watch.h"
#include "ember/v1/file_service.grpc.pb.h"

namespace ember::cli {
namespace {

using Stub = v1::FileService::Stub;

template <typename Request, typename Response>
absl::StatusOr<Response> Ask(Client& client,
                             grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                                          Response*),
                             const Request& request) {
  const auto stub = v1::FileService::NewStub(client.channel());
  Progress progress(ProgressStyle::kNone);
  CallWatch watch(client, progress, [] { return std::string(); });
  grpc::ClientContext& context = watch.NewContext();
  watch.Start();
  Response response;
  const grpc::Status status = (*stub.*method)(&context, request, &response);
  RETURN_IF_ERROR(watch.Outcome(status, context));
  return response;
}

}  // namespace

absl::StatusOr<std::vector<v1::FileInfo>> ListDirectory(Client& client,
                                                        const v1::ListDirectoryRequest& request) {
  const auto stub = v1::FileService::NewStub(client.channel());
  Progress progress(ProgressStyle::kNone);
  CallWatch watch(client, progress, [] { return std::string(); });
  grpc::ClientContext& context = watch.NewContext();
  watch.Start();
  const auto call = stub->ListDirectory(&context, request);
  std::vector<v1::FileInfo> files;
  v1::ListDirectoryResponse part;
  while (call->Read(&part)) files.insert(files.end(), part.files().begin(), part.files().end());
  RETURN_IF_ERROR(watch.Outcome(call->Finish(), context));
  std::sort(files.begin(), files.end(),
            [](const v1::FileInfo& a, const v1::FileInfo& b) { return a.name() < b.name(); });
  return files;
}

absl::StatusOr<v1::FileInfo> StatFile(Client& client, const v1::StatFileRequest& request) {
  return Ask(client, &Stub::StatFile, request);
}

absl::Status RemoveFile(Client& client, const v1::RemoveFileRequest& request) {
  return Ask(client, &Stub::RemoveFile, request).status();
}

absl::Status MakeDirectory(Client& client, const v1::MakeDirectoryRequest& request) {
  return Ask(client, &Stub::MakeDirectory, request).status();
}

}  // namespace ember::cli
