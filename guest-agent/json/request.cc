#include "guest-agent/json/request.h"

#include "base/status.h"

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
  const auto found = request.find(field);
  if (found == request.end() || found->is_null())
    return InvalidArgument("missing '{}' field", field);
  if (!found->is_string()) {
    return InvalidArgument("{}: '{}' must be a string", OpOf(request), field);
  }
  return found->get<std::string>();
}

absl::StatusOr<std::map<std::string, std::string>> OptionalStrings(const json& request,
                                                                   const char* field) {
  std::map<std::string, std::string> strings;
  const auto found = request.find(field);
  if (found == request.end() || found->is_null()) return strings;
  const auto wrong = InvalidArgument("{}: '{}' must be an object of strings", OpOf(request), field);
  if (!found->is_object()) return wrong;
  for (const auto& [name, value] : found->items()) {
    if (!value.is_string()) return wrong;
    strings.emplace(name, value.get<std::string>());
  }
  return strings;
}

}  // namespace ember::agent
