#pragma once

#include <grpcpp/grpcpp.h>

#include "base/event_loop.h"
#include "daemon/catalog.h"
#include "daemon/host.h"
#include "ember/v1/image_service.grpc.pb.h"

namespace ember::daemon::rpc {

// ember.v1.ImageService (proto/ember/v1/image_service.proto): converts and posts, decides nothing.
// Thread-safe.
class ImageService : public v1::ImageService::CallbackService {
 public:
  // All borrowed; they outlive the server.
  ImageService(Host& host, Catalog& catalog, EventLoop& io)
      : host_(host), catalog_(catalog), io_(io) {}

 private:
  using Context = grpc::CallbackServerContext;
  using Unary = grpc::ServerUnaryReactor;
  using ImageStream = grpc::ServerWriteReactor<v1::ImageProgress>;
  using SaveStream = grpc::ServerWriteReactor<v1::SaveProgress>;

  ImageStream* PullImage(Context*, const v1::PullImageRequest*) override;
  ImageStream* LoadImage(Context*, const v1::LoadImageRequest*) override;
  SaveStream* SaveImage(Context*, const v1::SaveImageRequest*) override;
  Unary* TagImage(Context*, const v1::TagImageRequest*, v1::Image*) override;
  Unary* PruneImages(Context*, const v1::PruneImagesRequest*, v1::PruneImagesResponse*) override;

  // image_service_kernels.cc
  Unary* GetKernel(Context*, const v1::GetKernelRequest*, v1::Kernel*) override;
  Unary* SetDefaultKernel(Context*, const v1::SetDefaultKernelRequest*, v1::Kernel*) override;

  Host& host_;
  Catalog& catalog_;
  EventLoop& io_;
};

}  // namespace ember::daemon::rpc
