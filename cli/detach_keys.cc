#include "cli/detach_keys.h"

#include <utility>

namespace ember::cli {
namespace {

constexpr char kFirst = 'p' & 0x1F;
constexpr char kSecond = 'q' & 0x1F;

}  // namespace

bool DetachKeys::Take(std::string& bytes) {
  std::string sent;
  for (const char key : bytes) {
    if (half_ && key == kSecond) {
      bytes = std::move(sent);
      return true;
    }
    if (half_) sent += kFirst;
    half_ = key == kFirst;
    if (!half_) sent += key;
  }
  // The end of the input: the key was meant.
  if (bytes.empty() && std::exchange(half_, false)) sent += kFirst;
  bytes = std::move(sent);
  return false;
}

}  // namespace ember::cli
