#pragma once

#include <cstdint>

#include "absl/time/clock.h"
#include "absl/time/time.h"

// Times in the database: microseconds since 1970, UTC.
namespace ember::state {

inline int64_t ToMicros(absl::Time time) { return absl::ToUnixMicros(time); }
inline int64_t NowMicros() { return ToMicros(absl::Now()); }
inline absl::Time FromMicros(int64_t micros) { return absl::FromUnixMicros(micros); }

}  // namespace ember::state
