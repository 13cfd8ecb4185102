#pragma once

// Catch2 as the system has it: version 2 on Debian 12, version 3 on newer ones.
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

#include <cstdio>
#include <string>

// Ends a test case that this machine can't run. tests/run counts the line and shows the reason.
#define EMBER_SKIP(reason)                                                                   \
  do {                                                                                       \
    std::printf("SKIPPED: %s: %s\n", Catch::getResultCapture().getCurrentTestName().c_str(), \
                std::string(reason).c_str());                                                \
    std::fflush(stdout);                                                                     \
    return;                                                                                  \
  } while (false)
