#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace ember {

// Parses a size with its unit into bytes: a whole number and K, M, G or T, also as KiB, MiB, GiB,
// TiB (powers of 1024, any case of the first letter). InvalidArgument for a bare number, a decimal
// unit (MB, GB), a fraction, a sign, zero or an overflow of 64 bits; the message names the text and
// what to type instead.
absl::StatusOr<uint64_t> ParseSize(std::string_view text);

// "512M", "8G", "1536K": the largest unit that divides `bytes`; plain bytes as "17B".
std::string FormatSize(uint64_t bytes);

inline constexpr uint64_t kMiB = uint64_t{1} << 20;
inline constexpr uint64_t kGiB = uint64_t{1} << 30;

}  // namespace ember
