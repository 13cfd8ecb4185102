#ifdef __SANITIZE_THREAD__

// ThreadSanitizer calls it when the program starts. The reference count of absl::Status lives in
// the prebuilt library, so its last release looks like a race with earlier readers.
extern "C" const char* __tsan_default_suppressions() { return "race:absl::*Status::Unref*\n"; }

#endif
