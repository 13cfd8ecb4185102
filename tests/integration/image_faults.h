#pragma once

#include <array>
#include <string_view>

// The fault points of the image verbs (base/fault_point.h), which image_fault_test.cc passes.
namespace ember::testing {

enum class ImageVerb { kImport, kTag, kDelete, kPrune };

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
});

}  // namespace ember::testing
