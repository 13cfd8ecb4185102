#include "state/subnet.h"

#include <string>

#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace ember::state {
namespace {

using testing::ValueOf;

TEST_CASE("a subnet is cut into /30 blocks", "[state][subnet]") {
  struct Case {
    const char* text;
    uint32_t blocks;
    const char* first_guest;
    const char* last_network;
    const char* last_host;
    const char* last_guest;
  };
  const Case cases[] = {
      {"10.100.0.0/16", 16384, "10.100.0.2", "10.100.255.252", "10.100.255.253", "10.100.255.254"},
      {"192.168.7.0/24", 64, "192.168.7.2", "192.168.7.252", "192.168.7.253", "192.168.7.254"},
      {"172.16.0.4/30", 1, "172.16.0.6", "172.16.0.4", "172.16.0.5", "172.16.0.6"},
      {"255.255.255.252/30", 1, "255.255.255.254", "255.255.255.252", "255.255.255.253",
       "255.255.255.254"},
      {"128.0.0.0/1", uint32_t{1} << 29, "128.0.0.2", "255.255.255.252", "255.255.255.253",
       "255.255.255.254"},
      {"0.0.0.0/0", uint32_t{1} << 30, "0.0.0.2", "255.255.255.252", "255.255.255.253",
       "255.255.255.254"},
  };
  for (const Case& wanted : cases) {
    INFO(wanted.text);
    const Subnet subnet = ValueOf(Subnet::Parse(wanted.text));
    CHECK(subnet.ToString() == wanted.text);
    CHECK(ValueOf(Subnet::Parse(subnet.ToString())) == subnet);
    REQUIRE(subnet.blocks() == wanted.blocks);
    CHECK(subnet.GuestAddress(0) == wanted.first_guest);
    const uint32_t last = subnet.blocks() - 1;
    CHECK(subnet.NetworkAddress(last) == wanted.last_network);
    CHECK(subnet.HostAddress(last) == wanted.last_host);
    CHECK(subnet.GuestAddress(last) == wanted.last_guest);
  }
}

TEST_CASE("the default subnet is 10.100.0.0/16", "[state][subnet]") {
  CHECK(Subnet::Default() == ValueOf(Subnet::Parse("10.100.0.0/16")));
  CHECK(Subnet::Default().HostAddress(64) == "10.100.1.1");
}

TEST_CASE("a refused subnet says what is wrong with it", "[state][subnet]") {
  struct Case {
    std::string text;
    std::string what;
  };
  const Case cases[] = {
      {"", "it does not start with an IPv4 address"},
      {"/16", "it does not start with an IPv4 address"},
      {"lan/16", "it does not start with an IPv4 address"},
      {"10.100/16", "it does not start with an IPv4 address"},
      {"10.100.0.256/16", "it does not start with an IPv4 address"},
      {"010.100.0.0/16", "it does not start with an IPv4 address"},
      {" 10.100.0.0/16", "it does not start with an IPv4 address"},
      {"fd00::/64", "it does not start with an IPv4 address"},
      {"10.100.0.0", "it has no prefix length"},
      {"10.100.0.0/", "its prefix length is not a number from 0 to 30"},
      {"10.100.0.0/x", "its prefix length is not a number from 0 to 30"},
      {"10.100.0.0/-1", "its prefix length is not a number from 0 to 30"},
      {"10.100.0.0/+8", "its prefix length is not a number from 0 to 30"},
      {"10.100.0.0/016", "its prefix length is not a number from 0 to 30"},
      {"10.100.0.0/16 ", "its prefix length is not a number from 0 to 30"},
      {"10.100.0.0/33", "its prefix length is not a number from 0 to 30"},
      {"10.100.0.0/99999999999", "its prefix length is not a number from 0 to 30"},
      {"10.100.0.0/31", "/31 is smaller than one block, a VM needs a /30"},
      {"10.100.0.0/32", "/32 is smaller than one block, a VM needs a /30"},
      {"10.100.0.1/16", "bits behind the prefix /16 are set"},
      {"10.100.0.0/8", "bits behind the prefix /8 are set"},
      {"0.0.0.1/0", "bits behind the prefix /0 are set"},
      {"10.0.0.1/30", "bits behind the prefix /30 are set"},
  };
  for (const Case& refused : cases) {
    INFO(refused.text);
    const absl::Status status = Subnet::Parse(refused.text).status();
    CHECK(status.code() == absl::StatusCode::kInvalidArgument);
    CHECK(Message(status) == "invalid subnet '" + refused.text + "': " + refused.what);
    CHECK(ReasonOf(status) == "INVALID_SUBNET");
    CHECK(HintOf(status).has_value());
  }
}

TEST_CASE("a subnet with stray bits is told its network", "[state][subnet]") {
  CHECK(HintOf(Subnet::Parse("10.100.7.9/16").status()) == "its network is 10.100.0.0/16");
}

TEST_CASE("what hides behind a NUL is refused and shown as a question", "[state][subnet]") {
  const absl::Status status = Subnet::Parse(std::string("10.100.0.0\0x/16", 15)).status();
  CHECK(Message(status).starts_with("invalid subnet '10.100.0.0?x/16'"));
}

}  // namespace
}  // namespace ember::state
