#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "base/subprocess.h"

namespace ember::bench {

// Times of one thing that was done several times. A value.
class Samples {
 public:
  void Add(absl::Duration time) { times_.push_back(time); }
  void Add(const Samples& others) {
    times_.insert(times_.end(), others.times_.begin(), others.times_.end());
  }
  // `share` from 0 (least) to 1 (most): 0.5 is the median.
  absl::Duration Quantile(double share) const;
  absl::Duration Median() const { return Quantile(0.5); }
  // "median 1.234 ms, p90 1.5 ms, p99 1.6 ms, least 1.1 ms (50 runs)".
  std::string Describe() const;

 private:
  std::vector<absl::Duration> times_;
};

// How long `work` takes.
absl::Duration TimeOf(const std::function<void()>& work);

// Whole-process time of a program that must end with code 0; its output is thrown away.
absl::Duration TimeOfProgram(const std::vector<std::string>& argv);

}  // namespace ember::bench
