#include "guest-agent/json/request.h"

#include "base/status.h"
#include "base/status_macros.h"

namespace ember::agent {
namespace {

using nlohmann::json;

constexpr int kMaxDepth = 64;
constexpr int kMaxValues = 100'000;

// "[json.exception.parse_error.101] parse error at line 1, ...": the part in brackets is the
// library's own.
std::string DetailOf(std::string_view text) {
  const size_t end = text.starts_with('[') ? text.find("] ") : std::string_view::npos;
  return std::string(end == std::string_view::npos ? text : text.substr(end + 2));
}

// Null when there is no such field.
const json* Find(const json& request, const char* field) {
  if (!request.is_object()) return nullptr;
  const auto found = request.find(field);
  return found == request.end() || found->is_null() ? nullptr : &*found;
}

absl::Status Missing(const char* field) { return InvalidArgument("missing '{}' field", field); }

absl::Status Wrong(const json& request, const char* field, std::string_view kind) {
  return InvalidArgument("{}: '{}' must be {}", OpOf(request), field, kind);
}

}  // namespace

absl::StatusOr<json> ParseRequest(std::string_view line) {
  int values = 0;
  bool too_deep = false;
  // What is over a bound is dropped as it is read, so that it costs nothing.
  const json::parser_callback_t within_bounds = [&values, &too_deep](int depth, json::parse_event_t,
                                                                     json&) {
    too_deep = too_deep || depth > kMaxDepth;
    return ++values <= kMaxValues && !too_deep;
  };
  try {
    json request = json::parse(line, within_bounds);
    if (too_deep) return InvalidArgument("nested deeper than {}", kMaxDepth);
    if (values > kMaxValues) return InvalidArgument("more than {} values", kMaxValues);
    return request;
  } catch (const json::exception& error) {
    return InvalidArgument("{}", DetailOf(error.what()));
  }
}

std::string OpOf(const json& request) {
  if (!request.is_object() || !request.contains("op")) return "";
  const json& op = request["op"];
  if (op.is_null()) return "";
  return op.is_string() ? op.get<std::string>() : op.dump();
}

absl::StatusOr<std::string> RequiredString(const json& request, const char* field) {
  const json* value = Find(request, field);
  if (value == nullptr) return Missing(field);
  if (!value->is_string()) return Wrong(request, field, "a string");
  return value->get<std::string>();
}

absl::StatusOr<std::string> OptionalString(const json& request, const char* field,
                                           std::string_view otherwise) {
  if (Find(request, field) == nullptr) return std::string(otherwise);
  return RequiredString(request, field);
}

absl::StatusOr<std::string> RequiredPath(const json& request, const char* field) {
  ASSIGN_OR_RETURN(std::string path, RequiredString(request, field));
  if (path.empty() || path.find('\0') != std::string::npos) {
    return Wrong(request, field, "a path: not empty, without a zero byte");
  }
  return path;
}

absl::StatusOr<std::string> OptionalPath(const json& request, const char* field,
                                         std::string_view otherwise) {
  if (Find(request, field) == nullptr) return std::string(otherwise);
  return RequiredPath(request, field);
}

absl::StatusOr<std::map<std::string, std::string>> OptionalStrings(const json& request,
                                                                   const char* field) {
  std::map<std::string, std::string> strings;
  const json* value = Find(request, field);
  if (value == nullptr) return strings;
  const auto wrong = Wrong(request, field, "an object of strings");
  if (!value->is_object()) return wrong;
  for (const auto& [name, item] : value->items()) {
    if (!item.is_string()) return wrong;
    strings.emplace(name, item.get<std::string>());
  }
  return strings;
}

absl::StatusOr<std::vector<std::string>> RequiredList(const json& request, const char* field) {
  const json* value = Find(request, field);
  if (value == nullptr) return Missing(field);
  const auto wrong = Wrong(request, field, "an array of strings");
  if (!value->is_array()) return wrong;
  std::vector<std::string> list;
  for (const json& item : *value) {
    if (!item.is_string()) return wrong;
    list.push_back(item.get<std::string>());
  }
  return list;
}

absl::StatusOr<std::vector<std::string>> OptionalList(const json& request, const char* field,
                                                      std::vector<std::string> otherwise) {
  if (Find(request, field) == nullptr) return otherwise;
  return RequiredList(request, field);
}

absl::StatusOr<uint64_t> OptionalNumber(const json& request, const char* field,
                                        uint64_t otherwise) {
  const json* value = Find(request, field);
  if (value == nullptr) return otherwise;
  // A number that is not negative is parsed as unsigned.
  if (!value->is_number_unsigned()) return Wrong(request, field, "a whole number, 0 or more");
  return value->get<uint64_t>();
}

}  // namespace ember::agent
