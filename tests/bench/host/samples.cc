#include "tests/bench/host/samples.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace ember::bench {

absl::Duration Samples::Quantile(double share) const {
  std::vector<absl::Duration> sorted = times_;
  std::sort(sorted.begin(), sorted.end());
  return sorted[static_cast<size_t>(share * static_cast<double>(sorted.size() - 1) + 0.5)];
}

std::string Samples::Describe() const {
  const auto ms = [this](double share) { return absl::ToDoubleMilliseconds(Quantile(share)); };
  return fmt::format("median {:.2f} ms, p90 {:.2f} ms, p99 {:.2f} ms, least {:.2f} ms ({} runs)",
                     ms(0.5), ms(0.9), ms(0.99), ms(0), times_.size());
}

absl::Duration TimeOf(const std::function<void()>& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return absl::FromChrono(std::chrono::steady_clock::now() - begin);
}

absl::Duration TimeOfProgram(const std::vector<std::string>& argv) {
  SpawnOptions options;
  options.argv = argv;
  return TimeOf([&options] {
    Process process = testing::ValueOf(Spawn(options));
    REQUIRE(testing::ValueOf(process.Wait(Cancellation::After(absl::Seconds(60)))).code == 0);
  });
}

}  // namespace ember::bench
