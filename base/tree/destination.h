#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/unique_fd.h"

namespace ember::tree {

// Where a stream is unpacked.
struct Destination {
  UniqueFd root;    // a directory; nothing is written outside it
  std::string top;  // takes the place of the first component of every name; empty: names stay
  bool directory_only = false;  // the entry named `top` must be a directory
};

// Finds where a stream for `path` goes. With `single`, the name of the one entry that the stream
// holds: a directory that is there takes it in under that name, anything else is its new name.
// Without, `path` is a directory, made when it is missing, that takes in every entry. Links in
// `path` are followed: it is the caller's word, not the stream's.
absl::StatusOr<Destination> OpenDestination(const std::string& path,
                                            std::optional<std::string_view> single);

}  // namespace ember::tree
