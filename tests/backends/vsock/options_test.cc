#include "backends/vsock/options.h"

#include "base/status.h"
#include "tests/support/status_matchers.h"

namespace ember::vsock {
namespace {

using ember::testing::ValueOf;
using Arguments = std::vector<std::string_view>;

TEST_CASE("the command line is read with blanks and with equal signs", "[vsock][options]") {
  const DeviceOptions options =
      ValueOf(ParseDeviceOptions({"--guest-cid", "5", "--vhost-fd=3", "--uds-path", "/tmp/v",
                                  "--forward-prefix=/tmp/f", "--log-level", "warn"}));
  CHECK(options.guest_cid == 5);
  CHECK(options.vhost_fd == 3);
  CHECK(options.uds_path == "/tmp/v");
  CHECK(options.forward_prefix == "/tmp/f");
  CHECK(options.log_level == LogLevel::kWarn);
}

TEST_CASE("help and version need nothing else", "[vsock][options]") {
  CHECK(ValueOf(ParseDeviceOptions({"--help"})).action == DeviceOptions::Action::kHelp);
  CHECK(ValueOf(ParseDeviceOptions({"--version"})).action == DeviceOptions::Action::kVersion);
}

TEST_CASE("a wrong command line is refused", "[vsock][options]") {
  const Arguments good = {"--guest-cid", "5", "--vhost-fd",       "3",
                          "--listen-fd", "4", "--forward-prefix", "/tmp/f"};
  REQUIRE_OK(ParseDeviceOptions(good));
  static const std::string long_prefix(100, 'x');
  const auto more =
      GENERATE_COPY(Arguments{"--nonsense", "1"}, Arguments{"--guest-cid", "2"},
                    Arguments{"--guest-cid", "4294967295"}, Arguments{"--guest-cid", "five"},
                    Arguments{"--vhost-socket", "/tmp/s"}, Arguments{"--uds-path", "/tmp/u"},
                    Arguments{"--listen-fd", "-1"}, Arguments{"--log-level", "loud"},
                    Arguments{"--guest-cid"}, Arguments{"--forward-prefix", long_prefix});
  Arguments all = good;
  all.insert(all.end(), more.begin(), more.end());
  CHECK(absl::IsInvalidArgument(ParseDeviceOptions(all).status()));
  CHECK_FALSE(ParseDeviceOptions({}).ok());
}

}  // namespace
}  // namespace ember::vsock
