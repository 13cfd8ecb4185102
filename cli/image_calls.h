#pragma once

#include "absl/status/statusor.h"
#include "cli/client.h"
#include "ember/v1/image_service.pb.h"

// Calls of ImageService; see Client.
namespace ember::cli {

// Long ones: each step is shown in `options.progress`.
absl::StatusOr<v1::Image> PullImage(Client& client, const v1::PullImageRequest& request,
                                    const CallOptions& options);
absl::StatusOr<v1::Image> LoadImage(Client& client, const v1::LoadImageRequest& request,
                                    const CallOptions& options);
absl::StatusOr<v1::SavedImage> SaveImage(Client& client, const v1::SaveImageRequest& request,
                                         const CallOptions& options);

absl::StatusOr<v1::Image> TagImage(Client& client, const v1::TagImageRequest& request);
absl::StatusOr<v1::PruneImagesResponse> PruneImages(Client& client,
                                                    const v1::PruneImagesRequest& request,
                                                    const CallOptions& options);

}  // namespace ember::cli
