#include "state/subnet.h"

#include <arpa/inet.h>

#include <charconv>
#include <optional>

#include "base/check.h"
#include "base/status.h"
#include "state/quotable.h"

namespace ember::state {
namespace {

constexpr uint32_t kAddressBits = 32;
constexpr uint32_t kAddressesOfBlock = 4;

absl::Status Refuse(std::string_view text, std::string_view what,
                    std::string_view hint = "a subnet is written like 10.100.0.0/16") {
  return WithReason(
      WithHint(InvalidArgument("invalid subnet '{}': {}", Quotable(text), what), hint),
      "INVALID_SUBNET");
}

std::string FormatAddress(uint32_t address) {
  return fmt::format("{}.{}.{}.{}", address >> 24, (address >> 16) & 0xff, (address >> 8) & 0xff,
                     address & 0xff);
}

std::optional<uint32_t> ParseAddress(std::string_view text) {
  in_addr parsed{};
  if (inet_pton(AF_INET, std::string(text).c_str(), &parsed) != 1) return std::nullopt;
  const uint32_t address = ntohl(parsed.s_addr);
  // What comes after a NUL was not looked at.
  if (FormatAddress(address) != text) return std::nullopt;
  return address;
}

std::optional<uint32_t> ParsePrefix(std::string_view text) {
  const bool padded = text.size() > 1 && text.front() == '0';
  uint32_t prefix = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), prefix);
  if (padded || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return prefix <= kAddressBits ? std::optional(prefix) : std::nullopt;
}

// The bits behind the prefix.
uint32_t HostMask(uint32_t prefix) {
  return prefix == 0 ? ~0U : (1U << (kAddressBits - prefix)) - 1;
}

}  // namespace

absl::StatusOr<Subnet> Subnet::Parse(std::string_view text) {
  const size_t slash = text.find('/');
  const std::optional<uint32_t> address = ParseAddress(text.substr(0, slash));
  if (!address.has_value()) return Refuse(text, "it does not start with an IPv4 address");
  if (slash == std::string_view::npos) return Refuse(text, "it has no prefix length");
  const std::optional<uint32_t> prefix = ParsePrefix(text.substr(slash + 1));
  if (!prefix.has_value()) return Refuse(text, "its prefix length is not a number from 0 to 30");
  if (*prefix > kBlockPrefix) {
    return Refuse(
        text, fmt::format("/{} is smaller than one block, a VM needs a /{}", *prefix, kBlockPrefix),
        "choose a prefix length of at most 30, e.g. 10.100.0.0/16");
  }
  const uint32_t stray = *address & HostMask(*prefix);
  if (stray != 0) {
    return Refuse(text, fmt::format("bits behind the prefix /{} are set", *prefix),
                  fmt::format("its network is {}/{}", FormatAddress(*address - stray), *prefix));
  }
  return Subnet(*address, *prefix);
}

Subnet Subnet::Default() { return Subnet((10U << 24) | (100U << 16), 16); }

std::string Subnet::ToString() const {
  return fmt::format("{}/{}", FormatAddress(address_), prefix_length_);
}

std::string Subnet::NetworkAddress(uint32_t block) const { return AddressIn(block, 0); }
std::string Subnet::HostAddress(uint32_t block) const { return AddressIn(block, 1); }
std::string Subnet::GuestAddress(uint32_t block) const { return AddressIn(block, 2); }

std::string Subnet::AddressIn(uint32_t block, uint32_t offset) const {
  EMBER_CHECK(block < blocks());
  return FormatAddress(address_ + block * kAddressesOfBlock + offset);
}

}  // namespace ember::state
