#pragma once

#include "absl/status/statusor.h"
#include "backends/images/entry.h"

namespace ember::images {

enum class Marking {
  kEntry,    // it is what it is; or a removal, into which it was turned
  kNothing,  // it means nothing to us: what AUFS kept for itself
};

// Turns the entry of a layer that is a marker into the removal that it stands for: ".wh.NAME" takes
// away NAME of lower layers, ".wh..wh..opq" all that they have in its folder (image-spec v1,
// layer.md, "Whiteouts"). InvalidArgument, naming the entry, for an impossible path and for a
// marker of no name, of "." and of "..".
absl::StatusOr<Marking> TranslateWhiteout(Entry& entry);

}  // namespace ember::images
