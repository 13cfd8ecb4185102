// Compiled once for all test programs: Catch2 version 2 takes ten seconds to build its main.
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_session.hpp>
#else
#define CATCH_CONFIG_RUNNER
#include <catch2/catch.hpp>
#endif

#include <csignal>

#ifdef EMBER_SANITIZED_THREAD

// ThreadSanitizer calls it when the program starts. The reference count of absl::Status lives in
// the prebuilt library, so its last release, and that of its payloads, looks like a race with
// earlier readers. It stands beside main, so that every test program has it.
extern "C" const char* __tsan_default_suppressions() {
  return "race:absl::*Status::Unref*\nrace:status_internal::Payload\n";
}

#endif

int main(int argc, char** argv) {
  // A peer that is gone is an error for the code under test to handle, not a signal.
  std::signal(SIGPIPE, SIG_IGN);
  return Catch::Session().run(argc, argv);
}
