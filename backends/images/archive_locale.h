#pragma once

#include <locale.h>

namespace ember::images {

// While it lives, names in UTF-8 pass through libarchive unchanged on this thread, whatever locale
// the process has.
class Utf8Scope {
 public:
  Utf8Scope();
  Utf8Scope(const Utf8Scope&) = delete;
  Utf8Scope& operator=(const Utf8Scope&) = delete;
  ~Utf8Scope();

 private:
  locale_t previous_ = nullptr;
};

}  // namespace ember::images
