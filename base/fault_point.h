#pragma once

#include <string_view>

#include "absl/status/status.h"

// Named steps of operations, at which a test can end the program or make the step fail. In our
// programs both do nothing; tests/support/armed_faults.cc replaces them in a copy of emberhostd
// that is built for the tests alone. tests/CMakeLists.txt collects every name from the sources, and
// a name without a test does not build. Thread-safe.
namespace ember {

// Before or after an effect that stands for itself: "start/launched". What a crash here leaves is
// recovery's.
void CrashPoint(std::string_view name);

// In the place of an effect that may fail: an error is what the effect itself would have answered.
absl::Status FaultPoint(std::string_view name);

}  // namespace ember
