#pragma once

#include <grpcpp/grpcpp.h>

#include <future>
#include <map>
#include <string>

#include "base/sequence.h"
#include "ember/v1/file_service.grpc.pb.h"

namespace ember::testing {

// The files of all VMs of the fake daemon: streams by the path that they are read from or were
// written to. Whether a stream is a tree is nobody's business here. "/full" takes no more after its
// first piece; "/endless" never ends; "/cut" ends a tree without its end. Thread-safe.
class FakeFiles final : public v1::FileService::Service {
 public:
  void Put(const std::string& path, std::string stream);
  std::string Get(const std::string& path);
  // The start of the last tree that was written.
  v1::WriteTreeStart last_start();

  using Context = grpc::ServerContext;
  grpc::Status ReadTree(Context* context, const v1::ReadTreeRequest* request,
                        grpc::ServerWriter<v1::ReadTreeResponse>* writer) override;
  grpc::Status WriteTree(Context* context, grpc::ServerReader<v1::WriteTreeRequest>* reader,
                         v1::TreeEnd* response) override;
  grpc::Status ListDirectory(Context* context, const v1::ListDirectoryRequest* request,
                             grpc::ServerWriter<v1::ListDirectoryResponse>* writer) override;
  grpc::Status StatFile(Context* context, const v1::StatFileRequest* request,
                        v1::FileInfo* response) override;

 private:
  template <typename Work>
  auto OnFiles(Work work) {
    std::promise<decltype(work())> answer;
    auto result = answer.get_future();
    sequence_.Post([&answer, &work] { answer.set_value(work()); });
    return result.get();
  }

  std::map<std::string, std::string> streams_;
  v1::WriteTreeStart last_start_;
  Sequence sequence_{"fake files"};
};

}  // namespace ember::testing
