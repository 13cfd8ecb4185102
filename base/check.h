#pragma once

#include <cstdio>
#include <cstdlib>

// EMBER_CHECK(condition): a broken invariant ends the process with the place and the condition on
// stderr. For programming errors only; whatever input, a peer or the host can cause is a Status.
#define EMBER_CHECK(condition)                                                           \
  do {                                                                                   \
    if (!(condition)) [[unlikely]] {                                                     \
      std::fprintf(stderr, "%s:%d: CHECK failed: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                      \
    }                                                                                    \
  } while (false)
