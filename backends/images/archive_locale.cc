#include "backends/images/archive_locale.h"

namespace ember::images {
namespace {

// Made once and kept: loading it takes time.
locale_t Utf8Locale() {
  static const locale_t kLocale = newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
  return kLocale;
}

}  // namespace

Utf8Scope::Utf8Scope() {
  if (Utf8Locale() != nullptr) previous_ = uselocale(Utf8Locale());
}

Utf8Scope::~Utf8Scope() {
  if (previous_ != nullptr) uselocale(previous_);
}

}  // namespace ember::images
