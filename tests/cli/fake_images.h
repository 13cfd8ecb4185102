#pragma once

#include <grpcpp/grpcpp.h>

#include <atomic>

#include "base/sequence.h"
#include "ember/v1/image_service.grpc.pb.h"

namespace ember::testing {

// Images that are pulled, loaded and saved in words alone: a pull tells of two layers, one named
// "slow" goes on until it is cancelled, one named "missing" is not there. Thread-safe.
class FakeImages final : public v1::ImageService::Service {
 public:
  // The last request of each kind.
  v1::PullImageRequest last_pull();
  v1::LoadImageRequest last_load();
  v1::SaveImageRequest last_save();
  v1::TagImageRequest last_tag();
  v1::PruneImagesRequest last_prune();
  std::atomic<int> cancelled_pulls{0};

  using Context = grpc::ServerContext;
  using ImageWriter = grpc::ServerWriter<v1::ImageProgress>;
  grpc::Status PullImage(Context*, const v1::PullImageRequest*, ImageWriter*) override;
  grpc::Status LoadImage(Context*, const v1::LoadImageRequest*, ImageWriter*) override;
  grpc::Status SaveImage(Context*, const v1::SaveImageRequest*,
                         grpc::ServerWriter<v1::SaveProgress>*) override;
  grpc::Status TagImage(Context*, const v1::TagImageRequest*, v1::Image*) override;
  grpc::Status PruneImages(Context*, const v1::PruneImagesRequest*,
                           v1::PruneImagesResponse*) override;

  // fake_kernels.cc: any name is a kernel's but "gone".
  grpc::Status GetKernel(Context*, const v1::GetKernelRequest*, v1::Kernel*) override;
  grpc::Status SetDefaultKernel(Context*, const v1::SetDefaultKernelRequest*, v1::Kernel*) override;

 private:
  v1::PullImageRequest last_pull_;
  v1::LoadImageRequest last_load_;
  v1::SaveImageRequest last_save_;
  v1::TagImageRequest last_tag_;
  v1::PruneImagesRequest last_prune_;
  Sequence sequence_{"fake-images"};  // all of the above
};

}  // namespace ember::testing
