#pragma once

#include <string>
#include <string_view>

#include "base/status.h"

namespace ember::testing {

// The message of a status or of a result's.
inline std::string TextOf(const absl::Status& status) { return std::string(Message(status)); }

inline bool Contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

}  // namespace ember::testing
