#pragma once

#include <string>

#include "base/status.h"
#include "tests/support/catch.h"

// REQUIRE_OK(expression): the expression is a Status or StatusOr that is OK; shows the error
// otherwise.
#define REQUIRE_OK(expression)                                              \
  do {                                                                      \
    const absl::Status ok_status_ = ::ember::testing::StatusOf(expression); \
    INFO(ok_status_.ToString());                                            \
    REQUIRE(ok_status_.ok());                                               \
  } while (false)

namespace ember::testing {

inline absl::Status StatusOf(const absl::Status& status) { return status; }
template <typename T>
absl::Status StatusOf(const absl::StatusOr<T>& result) {
  return result.status();
}

// The value, or a failed test that shows the error.
template <typename T>
T ValueOf(absl::StatusOr<T> result) {
  REQUIRE_OK(result);
  return *std::move(result);
}

}  // namespace ember::testing
