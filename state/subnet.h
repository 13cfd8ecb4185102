#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace ember::state {

// The IPv4 network that an installation cuts into /30 blocks, one for each VM. The first address of
// a block is its network, the second the host's, the third the guest's, the last its broadcast. A
// value.
class Subnet {
 public:
  static constexpr uint32_t kBlockPrefix = 30;

  // From "10.100.0.0/16". Anything else is InvalidArgument (reason INVALID_SUBNET, with a hint): an
  // address that is not IPv4 or written in another way, bits set behind the prefix, a prefix that
  // is missing, or longer than 30 and so smaller than one block.
  static absl::StatusOr<Subnet> Parse(std::string_view text);

  // 10.100.0.0/16, where nobody says otherwise.
  static Subnet Default();

  // How many blocks there are: 1 (/30) to 2^30 (/0).
  uint32_t blocks() const { return uint32_t{1} << (kBlockPrefix - prefix_length_); }
  uint32_t prefix_length() const { return prefix_length_; }

  // "10.100.0.0/16": Parse makes the same subnet of it.
  std::string ToString() const;

  // Addresses of a block, e.g. "10.100.0.4", "10.100.0.5" and "10.100.0.6" of block 1. `block` is
  // less than blocks().
  std::string NetworkAddress(uint32_t block) const;
  std::string HostAddress(uint32_t block) const;
  std::string GuestAddress(uint32_t block) const;

  friend bool operator==(const Subnet&, const Subnet&) = default;

 private:
  Subnet(uint32_t address, uint32_t prefix_length)
      : address_(address), prefix_length_(prefix_length) {}
  std::string AddressIn(uint32_t block, uint32_t offset) const;

  uint32_t address_;        // of the network, in the order of the host
  uint32_t prefix_length_;  // 0 to 30
};

}  // namespace ember::state
