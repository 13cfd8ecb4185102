#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace ember::agent {

// One request line as a JSON value, with bounds on what it may cost in memory: a line of 64 MiB of
// brackets would take gigabytes. InvalidArgument, with what the protocol says after "invalid JSON:
// ", for a line that is not JSON, is nested deeper than 64 or has more than 100,000 values.
absl::StatusOr<nlohmann::json> ParseRequest(std::string_view line);

// The request's "op": a string as it is, another value as its JSON text, and empty when there is
// none or the request is no object.
std::string OpOf(const nlohmann::json& request);

// Fields. One that is null counts as absent. The errors are InvalidArgument with the protocol's
// text: "missing '<field>' field" or "<op>: '<field>' must be ...".
absl::StatusOr<std::string> RequiredString(const nlohmann::json& request, const char* field);
absl::StatusOr<std::string> OptionalString(const nlohmann::json& request, const char* field,
                                           std::string_view otherwise);

// A string that can name a file: not empty, no zero byte.
absl::StatusOr<std::string> RequiredPath(const nlohmann::json& request, const char* field);
absl::StatusOr<std::string> OptionalPath(const nlohmann::json& request, const char* field,
                                         std::string_view otherwise);

// An object of strings; empty when absent.
absl::StatusOr<std::map<std::string, std::string>> OptionalStrings(const nlohmann::json& request,
                                                                   const char* field);

// An array of strings.
absl::StatusOr<std::vector<std::string>> RequiredList(const nlohmann::json& request,
                                                      const char* field);
absl::StatusOr<std::vector<std::string>> OptionalList(const nlohmann::json& request,
                                                      const char* field,
                                                      std::vector<std::string> otherwise);

// A whole number that is not negative.
absl::StatusOr<uint64_t> OptionalNumber(const nlohmann::json& request, const char* field,
                                        uint64_t otherwise);

}  // namespace ember::agent
