#include "daemon/vm_paths.h"

#include "base/status.h"
#include "tests/support/catch.h"

namespace ember::daemon {
namespace {

TEST_CASE("a VM's files lie in its own directory", "[daemon][paths]") {
  const VmPaths paths = VmPaths::Of("/var/lib/ember", "web");
  CHECK(paths.dir == "/var/lib/ember/vms/web");
  CHECK(paths.vsock_socket == "/var/lib/ember/vms/web/vsock.sock");
  CHECK(paths.console_log == "/var/lib/ember/vms/web/console.log");
}

TEST_CASE("the longest socket path of a VM has 103 bytes", "[daemon][paths]") {
  // "/" DIR "/vms/web/vsock.sock_1026"
  const size_t rest = std::string("//vms/web/vsock.sock_1026").size();
  const auto with = [](size_t dir) { return VmPaths::Of("/" + std::string(dir, 'd'), "web"); };
  CHECK(with(103 - rest).CheckLength().ok());
  const absl::Status refused = with(104 - rest).CheckLength();
  CHECK(refused.code() == absl::StatusCode::kInvalidArgument);
  CHECK(HintOf(refused).has_value());
}

}  // namespace
}  // namespace ember::daemon
