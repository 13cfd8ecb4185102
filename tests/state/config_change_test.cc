#include "state/config_change.h"

#include "tests/support/catch.h"

namespace ember::state {
namespace {

VmConfig Before() {
  VmConfig config;
  config.image = "debian";
  config.kernel = "6.1";
  config.labels = {{"team", "core"}, {"old", ""}};
  return config;
}

TEST_CASE("nothing changed is nothing to say", "[state][config_change]") {
  CHECK(DescribeConfigChange(Before(), Before()).empty());
  VmConfig fixed = Before();
  fixed.image = "busybox";
  fixed.disk_bytes = 1;
  CHECK(DescribeConfigChange(Before(), fixed).empty());
}

TEST_CASE("every change is named with both values", "[state][config_change]") {
  VmConfig after = Before();
  after.vcpus = 4;
  after.memory_mib = 1024;
  after.kernel = "6.12";
  after.boot_args = "quiet";
  after.labels = {{"team", "infra"}, {"tier", "1"}};
  after.restart_policy = RestartPolicy::kOnFailure;
  after.autostart = true;
  CHECK(DescribeConfigChange(Before(), after) ==
        "vcpus 1 -> 4, memory 512M -> 1024M, kernel 6.1 -> 6.12, boot args '' -> 'quiet', "
        "label team=core -> team=infra, label tier=1 added, label old removed, "
        "restart policy no -> on-failure, autostart off -> on");
}

TEST_CASE("a change is one line whatever the values are", "[state][config_change]") {
  VmConfig after = Before();
  after.boot_args = "a\nb" + std::string(5000, 'x');
  after.labels["new\nline"] = "x";
  const std::string described = DescribeConfigChange(Before(), after);
  CHECK(described.find('\n') == std::string::npos);
  CHECK(described.size() < 300);
}

}  // namespace
}  // namespace ember::state
