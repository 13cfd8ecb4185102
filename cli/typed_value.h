#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

// Values that somebody typed, on a command line or in a file. `name` is what the errors call the
// value: "--cpus", or "dev.yaml:3: cpus". Every error is InvalidArgument.
namespace ember::cli {

// A whole number from `least` to 2^63.
absl::StatusOr<uint64_t> ParseNumber(std::string_view name, std::string_view text, uint64_t least);

// One of `words`; the hint of an error is the nearest of them.
absl::StatusOr<std::string> ParseChoice(std::string_view name, const std::string& text,
                                        const std::vector<std::string>& words);

// Bytes of memory as what the protocol counts in: whole MiB that fit into 32 bits.
absl::StatusOr<uint32_t> MemoryMib(std::string_view name, uint64_t bytes);

}  // namespace ember::cli
