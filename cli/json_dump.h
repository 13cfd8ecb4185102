#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace ember::cli {

// Keys stay in the order in which they were added.
using Json = nlohmann::ordered_json;

// JSON as it is printed: ASCII, with a line end; on one line where `indent` is -1.
inline std::string Dump(const Json& json, int indent = 2) {
  return json.dump(indent, ' ', /*ensure_ascii=*/true, Json::error_handler_t::replace) + "\n";
}

// null instead of an empty text.
inline Json OrNull(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

}  // namespace ember::cli
