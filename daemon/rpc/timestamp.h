#pragma once

#include "absl/time/time.h"
#include "google/protobuf/timestamp.pb.h"

namespace ember::daemon::rpc {

// To the nanosecond.
inline void SetTimestamp(google::protobuf::Timestamp& timestamp, absl::Time time) {
  const int64_t seconds = absl::ToUnixSeconds(time);
  timestamp.set_seconds(seconds);
  timestamp.set_nanos(
      static_cast<int32_t>(absl::ToInt64Nanoseconds(time - absl::FromUnixSeconds(seconds))));
}

}  // namespace ember::daemon::rpc
