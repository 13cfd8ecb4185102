#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "absl/status/statusor.h"

namespace ember::images {

// What makes one filesystem another than one of the same content.
struct Ext4Identity {
  std::array<uint8_t, 16> uuid{};
  std::array<uint8_t, 16> hash_seed{};
  uint32_t made_at = 0;  // seconds since 1970

  friend bool operator==(const Ext4Identity&, const Ext4Identity&) = default;
};

// Random, made now.
absl::StatusOr<Ext4Identity> NewExt4Identity();

// Derived from a text, at a fixed time: the same text, the same identity.
Ext4Identity Ext4IdentityFrom(std::string_view text);

}  // namespace ember::images
