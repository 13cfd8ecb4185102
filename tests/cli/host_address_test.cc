#include "cli/host_address.h"

#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace ember::cli {
namespace {

using testing::ValueOf;

HostAddressInput Root() { return {.home = "/root", .is_root = true}; }
HostAddressInput User() { return {.xdg_runtime_dir = "/run/user/1000", .home = "/home/u"}; }

TEST_CASE("root's daemon is the system's", "[cli][host_address]") {
  CHECK(ValueOf(ResolveHostAddress(Root())) ==
        HostAddress{"/run/ember/emberhostd.sock", "/var/lib/ember"});
}

TEST_CASE("a user's daemon is in the XDG directories", "[cli][host_address]") {
  HostAddressInput input = User();
  CHECK(ValueOf(ResolveHostAddress(input)) ==
        HostAddress{"/run/user/1000/ember/emberhostd.sock", "/home/u/.local/state/ember"});
  input.xdg_state_home = "/data/state";
  CHECK(ValueOf(ResolveHostAddress(input)).state_dir == "/data/state/ember");
  input.xdg_runtime_dir = "";
  CHECK(ValueOf(ResolveHostAddress(input)).socket == "/data/state/ember/emberhostd.sock");
}

TEST_CASE("relative XDG directories are ignored", "[cli][host_address]") {
  HostAddressInput input = User();
  input.xdg_state_home = "state";
  input.xdg_runtime_dir = "run";
  CHECK(ValueOf(ResolveHostAddress(input)).socket == "/home/u/.local/state/ember/emberhostd.sock");
}

TEST_CASE("--host wins over --state-dir, and both over EMBER_HOST", "[cli][host_address]") {
  HostAddressInput input = Root();
  input.host_variable = "unix:/e.sock";
  CHECK(ValueOf(ResolveHostAddress(input)).socket == "/e.sock");
  input.state_dir_flag = "/s/";
  CHECK(ValueOf(ResolveHostAddress(input)).socket == "/s/emberhostd.sock");
  input.host_flag = "unix:///h.sock";
  CHECK(ValueOf(ResolveHostAddress(input)).socket == "/h.sock");
}

TEST_CASE("only Unix sockets are addresses", "[cli][host_address]") {
  for (const char* text : {"tcp:localhost:1", "/run/e.sock", "unix:"}) {
    INFO(text);
    HostAddressInput input = Root();
    input.host_flag = text;
    CHECK(absl::IsInvalidArgument(ResolveHostAddress(input).status()));
  }
}

TEST_CASE("a path that is too long for a socket is refused", "[cli][host_address]") {
  HostAddressInput input = Root();
  input.state_dir_flag = "/" + std::string(90, 'd');
  CHECK(absl::IsInvalidArgument(ResolveHostAddress(input).status()));
}

}  // namespace
}  // namespace ember::cli
