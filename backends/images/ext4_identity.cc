#include "backends/images/ext4_identity.h"

#include <sys/random.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <string>

#include "backends/images/file_digest.h"
#include "base/status.h"

namespace ember::images {
namespace {

// 2020-01-01. Not 0: a freed inode needs a time of deletion, and small numbers there mean the next
// inode of a list.
constexpr uint32_t kFixedTime = 1577836800;

// RFC 9562: version and variant of a UUID.
void MarkUuid(std::array<uint8_t, 16>& uuid, uint8_t version) {
  uuid[6] = static_cast<uint8_t>((uuid[6] & 0x0f) | version << 4);
  uuid[8] = static_cast<uint8_t>((uuid[8] & 0x3f) | 0x80);
}

uint8_t HexValue(char digit) {
  return static_cast<uint8_t>(digit <= '9' ? digit - '0' : digit - 'a' + 10);
}

}  // namespace

absl::StatusOr<Ext4Identity> NewExt4Identity() {
  Ext4Identity identity;
  for (auto* bytes : {&identity.uuid, &identity.hash_seed}) {
    if (getrandom(bytes->data(), bytes->size(), 0) != static_cast<ssize_t>(bytes->size())) {
      return ErrnoStatus(errno, "random numbers");
    }
  }
  MarkUuid(identity.uuid, 4);
  identity.made_at = static_cast<uint32_t>(time(nullptr));
  return identity;
}

Ext4Identity Ext4IdentityFrom(std::string_view text) {
  const std::string digest = DigestBytes(text);
  const std::string_view hex = std::string_view(digest).substr(digest.find(':') + 1);
  Ext4Identity identity;
  for (size_t i = 0; i < 32; ++i) {
    const auto byte = static_cast<uint8_t>(HexValue(hex[2 * i]) << 4 | HexValue(hex[2 * i + 1]));
    (i < 16 ? identity.uuid[i] : identity.hash_seed[i - 16]) = byte;
  }
  MarkUuid(identity.uuid, 8);
  identity.made_at = kFixedTime;
  return identity;
}

}  // namespace ember::images
