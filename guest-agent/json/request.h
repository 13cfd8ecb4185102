#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace ember::agent {

// One request line as a JSON value, with bounds on what it may cost in memory: a line of 64 MiB of
// brackets would take gigabytes. InvalidArgument, with what the protocol says after "invalid JSON:
// ", for a line that is not JSON, is nested deeper than 64 or has more than 100,000 values.
absl::StatusOr<nlohmann::json> ParseRequest(std::string_view line);

// The request's "op": a string as it is, another value as its JSON text, and empty when there is
// none or the request is no object.
std::string OpOf(const nlohmann::json& request);

// A field that must be there. The errors are InvalidArgument with the protocol's text: "missing
// '<field>' field" or "<op>: '<field>' must be a string".
absl::StatusOr<std::string> RequiredString(const nlohmann::json& request, const char* field);

// A field that may be absent or null: an object of strings.
absl::StatusOr<std::map<std::string, std::string>> OptionalStrings(const nlohmann::json& request,
                                                                   const char* field);

}  // namespace ember::agent
