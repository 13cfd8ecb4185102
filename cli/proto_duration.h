#pragma once

#include "absl/time/time.h"
#include "google/protobuf/duration.pb.h"

namespace ember::cli {

// `duration` as a protocol message; finite.
google::protobuf::Duration ToProto(absl::Duration duration);

// For people and scripts: 12.5.
double MillisecondsOf(const google::protobuf::Duration& duration);

}  // namespace ember::cli
