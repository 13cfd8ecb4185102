#include "tests/cli/fake_images.h"

#include <chrono>
#include <future>
#include <string>

namespace ember::testing {
namespace {

// Reads or writes a request where it lives.
template <typename Work>
auto On(Sequence& sequence, Work work) {
  std::promise<decltype(work())> answer;
  auto result = answer.get_future();
  sequence.Post([&answer, &work] { answer.set_value(work()); });
  return result.get();
}

template <typename Request>
void Keep(Sequence& sequence, Request& kept, const Request& request) {
  On(sequence, [&] { return kept = request, 0; });
}

void WriteLayer(FakeImages::ImageWriter& writer, const std::string& item, uint64_t done) {
  v1::ImageProgress step;
  step.mutable_progress()->set_stage("downloading");
  step.mutable_progress()->set_item(item);
  step.mutable_progress()->set_done(done);
  step.mutable_progress()->set_total(uint64_t{8} << 20);
  writer.Write(step);
}

// A synchronous call is not told of its cancellation: that has to be looked for.
void AwaitCancel(grpc::ServerContext& context) {
  std::promise<void> never;
  const auto future = never.get_future();
  while (!context.IsCancelled()) future.wait_for(std::chrono::milliseconds(10));
}

}  // namespace

v1::PullImageRequest FakeImages::last_pull() {
  return On(sequence_, [this] { return last_pull_; });
}
v1::LoadImageRequest FakeImages::last_load() {
  return On(sequence_, [this] { return last_load_; });
}
v1::SaveImageRequest FakeImages::last_save() {
  return On(sequence_, [this] { return last_save_; });
}
v1::TagImageRequest FakeImages::last_tag() {
  return On(sequence_, [this] { return last_tag_; });
}
v1::PruneImagesRequest FakeImages::last_prune() {
  return On(sequence_, [this] { return last_prune_; });
}

grpc::Status FakeImages::PullImage(Context* context, const v1::PullImageRequest* request,
                                   ImageWriter* writer) {
  Keep(sequence_, last_pull_, *request);
  if (request->reference() == "missing") return {grpc::NOT_FOUND, "no such image there"};
  WriteLayer(*writer, "aaaaaaaaaaaa", uint64_t{1} << 20);
  WriteLayer(*writer, "bbbbbbbbbbbb", uint64_t{2} << 20);
  WriteLayer(*writer, "aaaaaaaaaaaa", uint64_t{8} << 20);
  if (request->reference() == "slow") {
    AwaitCancel(*context);
    ++cancelled_pulls;
    return grpc::Status::CANCELLED;
  }
  v1::ImageProgress step;
  step.mutable_result()->set_name(request->name().empty() ? request->reference() : request->name());
  writer->Write(step);
  return grpc::Status::OK;
}

grpc::Status FakeImages::LoadImage(Context*, const v1::LoadImageRequest* request,
                                   ImageWriter* writer) {
  Keep(sequence_, last_load_, *request);
  v1::ImageProgress step;
  step.mutable_result()->set_name(request->name().empty() ? "loaded" : request->name());
  writer->Write(step);
  return grpc::Status::OK;
}

grpc::Status FakeImages::SaveImage(Context*, const v1::SaveImageRequest* request,
                                   grpc::ServerWriter<v1::SaveProgress>* writer) {
  Keep(sequence_, last_save_, *request);
  v1::SaveProgress step;
  step.mutable_result()->set_path(request->path());
  step.mutable_result()->set_size_bytes(4096);
  writer->Write(step);
  return grpc::Status::OK;
}

grpc::Status FakeImages::TagImage(Context*, const v1::TagImageRequest* request, v1::Image* image) {
  Keep(sequence_, last_tag_, *request);
  image->set_name(request->new_name());
  return grpc::Status::OK;
}

grpc::Status FakeImages::PruneImages(Context*, const v1::PruneImagesRequest* request,
                                     v1::PruneImagesResponse* response) {
  Keep(sequence_, last_prune_, *request);
  response->add_images("old");
  response->add_blobs("sha256:0");
  response->set_freed_bytes(uint64_t{5} << 20);
  return grpc::Status::OK;
}

}  // namespace ember::testing
