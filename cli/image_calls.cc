#include "cli/image_calls.h"

#include "cli/calls.h"
#include "cli/stream_calls.h"
#include "ember/v1/image_service.grpc.pb.h"

namespace ember::cli {
namespace {

using Stub = v1::ImageService::Stub;

}  // namespace

absl::StatusOr<v1::Image> PullImage(Client& client, const v1::PullImageRequest& request,
                                    const CallOptions& options) {
  const auto stub = v1::ImageService::NewStub(client.channel());
  return ReadToResult<v1::Image>(*stub, client.signals(), &Stub::AsyncPullImage, request, options);
}

absl::StatusOr<v1::Image> LoadImage(Client& client, const v1::LoadImageRequest& request,
                                    const CallOptions& options) {
  const auto stub = v1::ImageService::NewStub(client.channel());
  return ReadToResult<v1::Image>(*stub, client.signals(), &Stub::AsyncLoadImage, request, options);
}

absl::StatusOr<v1::SavedImage> SaveImage(Client& client, const v1::SaveImageRequest& request,
                                         const CallOptions& options) {
  const auto stub = v1::ImageService::NewStub(client.channel());
  return ReadToResult<v1::SavedImage>(*stub, client.signals(), &Stub::AsyncSaveImage, request,
                                      options);
}

absl::StatusOr<v1::Image> TagImage(Client& client, const v1::TagImageRequest& request) {
  const auto stub = v1::ImageService::NewStub(client.channel());
  return CallOne(*stub, client.signals(), &Stub::AsyncTagImage, request, {});
}

absl::StatusOr<v1::PruneImagesResponse> PruneImages(Client& client,
                                                    const v1::PruneImagesRequest& request,
                                                    const CallOptions& options) {
  const auto stub = v1::ImageService::NewStub(client.channel());
  return CallOne(*stub, client.signals(), &Stub::AsyncPruneImages, request, options);
}

}  // namespace ember::cli
