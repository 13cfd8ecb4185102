#pragma once

#include <array>
#include <string_view>

// The fault points of the image verbs (base/fault_point.h), which image_fault_test.cc passes.
namespace ember::testing {

enum class ImageVerb { kImport, kTag, kDelete, kPrune, kPull, kBuild };

struct ImageCase {
  std::string_view point;
  ImageVerb verb;
  bool can_fail = false;  // an error can take the place of its effect
};

inline constexpr auto kImageCases = std::to_array<ImageCase>({
    {"image-add/link", ImageVerb::kImport, true},
    {"image-add/linked", ImageVerb::kImport},
    {"image-add/recorded", ImageVerb::kImport},
    {"image-add/named", ImageVerb::kImport},
    {"image-tag/name", ImageVerb::kTag, true},
    {"image-tag/named", ImageVerb::kTag},
    {"image-delete/remove", ImageVerb::kDelete, true},
    {"image-delete/record-removed", ImageVerb::kDelete},
    {"image-delete/rootfs-removed", ImageVerb::kDelete},
    {"image-prune/remove", ImageVerb::kPrune, true},
    {"image-prune/removed", ImageVerb::kPrune},
    {"image-pull/adopt-layer", ImageVerb::kPull, true},
    {"image-pull/layer-adopted", ImageVerb::kPull},
    {"image-pull/fetched", ImageVerb::kPull},
    {"image-pull/store-manifest", ImageVerb::kPull, true},
    {"image-add/link", ImageVerb::kPull, true},
    {"image-add/named", ImageVerb::kPull},
    {"image-build/archived", ImageVerb::kBuild},
    {"image-build/take", ImageVerb::kBuild, true},
    {"image-add/recorded", ImageVerb::kBuild},
});

}  // namespace ember::testing
