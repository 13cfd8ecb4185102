#include "state/quotable.h"

#include <algorithm>

namespace ember::state {
namespace {

constexpr size_t kMaxQuoted = 80;

}  // namespace

std::string Quotable(std::string_view text) {
  std::string shown(text.substr(0, kMaxQuoted));
  std::replace_if(
      shown.begin(), shown.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }, '?');
  return text.size() > kMaxQuoted ? shown + "…" : shown;
}

}  // namespace ember::state
