#pragma once

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

// RETURN_IF_ERROR(expression): returns from the enclosing function when `expression`, a Status, is
// not OK.
#define RETURN_IF_ERROR(expression)                           \
  do {                                                        \
    if (absl::Status status_ = (expression); !status_.ok()) { \
      return status_;                                         \
    }                                                         \
  } while (false)

// ASSIGN_OR_RETURN(lhs, expression): declares or assigns `lhs` from a StatusOr, or returns its
// error.
#define ASSIGN_OR_RETURN(lhs, expression) \
  EMBER_ASSIGN_OR_RETURN_(EMBER_JOIN_(status_or_, __LINE__), lhs, expression)
#define EMBER_ASSIGN_OR_RETURN_(result, lhs, expression) \
  auto result = (expression);                            \
  if (!result.ok()) return result.status();              \
  lhs = *std::move(result)
#define EMBER_JOIN_(a, b) EMBER_JOIN_INNER_(a, b)
#define EMBER_JOIN_INNER_(a, b) a##b
