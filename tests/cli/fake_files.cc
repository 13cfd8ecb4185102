#include "tests/cli/fake_files.h"

#include <algorithm>
#include <utility>

namespace ember::testing {
namespace {

constexpr size_t kPiece = 100'000;

grpc::Status NotFound(const std::string& path) {
  return {grpc::StatusCode::NOT_FOUND, path + ": No such file or directory"};
}

}  // namespace

void FakeFiles::Put(const std::string& path, std::string stream) {
  OnFiles([&] { return streams_[path] = std::move(stream), 0; });
}
std::string FakeFiles::Get(const std::string& path) {
  return OnFiles([&] { return streams_[path]; });
}
v1::WriteTreeStart FakeFiles::last_start() {
  return OnFiles([this] { return last_start_; });
}

grpc::Status FakeFiles::ReadTree(Context*, const v1::ReadTreeRequest* request,
                                 grpc::ServerWriter<v1::ReadTreeResponse>* writer) {
  const std::string& path = request->path();
  const std::string stream = Get(path);
  if (stream.empty()) return NotFound(path);
  v1::ReadTreeResponse response;
  for (size_t at = 0; at < stream.size(); at += kPiece) {
    response.set_data(stream.substr(at, kPiece));
    if (!writer->Write(response)) return grpc::Status::CANCELLED;
  }
  response.set_data(std::string(kPiece, 'x'));
  while (path == "/endless") {
    if (!writer->Write(response)) return grpc::Status::CANCELLED;
  }
  response.mutable_end()->add_skipped("socket");
  if (path != "/cut") writer->Write(response);
  return grpc::Status::OK;
}

grpc::Status FakeFiles::WriteTree(Context*, grpc::ServerReader<v1::WriteTreeRequest>* reader,
                                  v1::TreeEnd* response) {
  v1::WriteTreeRequest request;
  if (!reader->Read(&request) || !request.has_start()) {
    return {grpc::StatusCode::INVALID_ARGUMENT, "no start"};
  }
  const v1::WriteTreeStart start = request.start();
  OnFiles([&] { return last_start_ = start, 0; });
  std::string stream;
  while (reader->Read(&request)) {
    if (start.path() == "/full") {
      return {grpc::StatusCode::RESOURCE_EXHAUSTED, "/full: No space left on device"};
    }
    if (request.has_end()) {
      Put(start.path(), std::move(stream));
      response->set_files(1);
      return grpc::Status::OK;
    }
    stream += request.data();
  }
  return {grpc::StatusCode::INVALID_ARGUMENT, "no end"};
}

grpc::Status FakeFiles::ListDirectory(Context*, const v1::ListDirectoryRequest* request,
                                      grpc::ServerWriter<v1::ListDirectoryResponse>* writer) {
  if (request->path() != "/list") return NotFound(request->path());
  for (const char* name : {"z\x1b[2J", "a"}) {
    v1::ListDirectoryResponse part;
    v1::FileInfo& file = *part.add_files();
    file.set_name(name);
    file.set_mode(0104755 | 0100000);
    file.set_size_bytes(42);
    writer->Write(part);
  }
  return grpc::Status::OK;
}

grpc::Status FakeFiles::StatFile(Context*, const v1::StatFileRequest* request,
                                 v1::FileInfo* response) {
  if (request->path() != "/root/link") return NotFound(request->path());
  response->set_name(request->path());
  response->set_mode(0120777);
  response->set_link_target("target");
  return grpc::Status::OK;
}

}  // namespace ember::testing
