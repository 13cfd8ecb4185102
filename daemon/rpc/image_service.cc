#include "daemon/rpc/image_service.h"

#include "daemon/rpc/convert.h"
#include "daemon/rpc/progress_reactor.h"
#include "daemon/rpc/unary_call.h"

namespace ember::daemon::rpc {

ImageService::ImageStream* ImageService::PullImage(Context* context,
                                                   const v1::PullImageRequest* request) {
  auto* call = new ProgressReactor<v1::ImageProgress, images::ImageRecord>(io_, *context);
  catalog_.PullImage(FromProto(*request), call->sink(), call->cancellation(), call->Answer());
  return call;
}

ImageService::ImageStream* ImageService::LoadImage(Context* context,
                                                   const v1::LoadImageRequest* request) {
  auto* call = new ProgressReactor<v1::ImageProgress, images::ImageRecord>(io_, *context);
  catalog_.LoadImage(FromProto(*request), call->sink(), call->cancellation(), call->Answer());
  return call;
}

ImageService::SaveStream* ImageService::SaveImage(Context* context,
                                                  const v1::SaveImageRequest* request) {
  auto* call = new ProgressReactor<v1::SaveProgress, images::SavedImage>(io_, *context);
  catalog_.SaveImage(FromProto(*request), call->sink(), call->cancellation(), call->Answer());
  return call;
}

ImageService::Unary* ImageService::TagImage(Context* context, const v1::TagImageRequest* request,
                                            v1::Image* response) {
  auto* call = new UnaryCall(*context);
  const auto mode = request->move() ? images::NameMode::kMove : images::NameMode::kNew;
  catalog_.TagImage(request->name(), request->new_name(), mode,
                    call->Answer<images::ImageRecord>([response](const images::ImageRecord& image) {
                      *response = ToProto(image);
                    }));
  return call;
}

ImageService::Unary* ImageService::PruneImages(Context* context,
                                               const v1::PruneImagesRequest* request,
                                               v1::PruneImagesResponse* response) {
  auto* call = new UnaryCall(*context);
  const auto scope = request->all() ? Host::PruneScope::kAll : Host::PruneScope::kUnnamed;
  host_.PruneImages(scope, request->dry_run(),
                    call->Answer<images::Pruned>(
                        [response](const images::Pruned& pruned) { *response = ToProto(pruned); }));
  return call;
}

}  // namespace ember::daemon::rpc
