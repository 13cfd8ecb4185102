#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "tests/bench/vsock/guest.h"

namespace ember::bench {

// What one run of a measurement gives.
struct RoundTrips {
  double p50_us = 0;
  double p99_us = 0;
};

// MiB/s for `mib` MiB in 64 KiB writes, until the guest has read all of it.
absl::StatusOr<double> HostToGuest(const Guest& guest, uint64_t mib);
// The other way.
absl::StatusOr<double> GuestToHost(const Guest& guest, uint64_t mib);
// One byte there and back, again and again on one connection.
absl::StatusOr<RoundTrips> PingPong(const Guest& guest, int count);
// Connect, one byte there and back, close: times a second.
absl::StatusOr<double> ConnectRate(const Guest& guest, int count);
// Kills the worker with SIGKILL while data flows: milliseconds until the next exchange works.
absl::StatusOr<double> KillWorker(const Guest& guest);

// The value that `share` (0 to 1) of the samples don't exceed. Not for none.
double Percentile(std::vector<double> samples, double share);

}  // namespace ember::bench
