#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>

#include "absl/status/statusor.h"
#include "backends/images/build_recipe.h"
#include "backends/images/image_store.h"

// Images from what the host has. All block within the cancellation, report to the sink and leave
// nothing behind when they fail.
namespace ember::images {

// Makes an image from a tar archive (plain, gzip, xz, zstd, bzip2, lz4) or a folder of the host.
// `size_bytes` of the filesystem; 0: what the content needs and about a tenth more. InvalidArgument
// when it is no archive, is damaged, holds an impossible path or does not fit.
absl::StatusOr<ImageRecord> ImportImage(ImageStore& store, std::string_view name,
                                        const std::filesystem::path& tar_or_dir,
                                        uint64_t size_bytes, const ProgressSink& sink,
                                        const Cancellation& cancellation);

// Makes an image from packages or from a Dockerfile; see build_recipe.h.
absl::StatusOr<ImageRecord> BuildImage(ImageStore& store, std::string_view name,
                                       const BuildRecipe& recipe, const ProgressSink& sink,
                                       const Cancellation& cancellation);

}  // namespace ember::images
