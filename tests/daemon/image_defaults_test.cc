#include "daemon/image_defaults.h"

#include "backends/images/image_config.h"
#include "base/status.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace ember::daemon {
namespace {

using testing::ValueOf;

state::VmRecord VmWith(const images::ImageConfig& config) {
  state::VmRecord vm;
  vm.name = "web";
  vm.config.image = "nginx";
  vm.image = state::VmImageRow{"sha256:1", images::ImageConfigToJson(config)};
  return vm;
}

images::ImageConfig Nginx() {
  images::ImageConfig config;
  config.env = {"PATH=/opt/bin", "MODE=first", "MODE=second"};
  config.entrypoint = {"/entry", "--"};
  config.cmd = {"nginx", "-g", "daemon off;"};
  config.user = "101:101";
  config.working_dir = "/srv";
  config.stop_signal = "SIGQUIT";
  return config;
}

TEST_CASE("a command takes what it does not say from its image", "[daemon][image]") {
  ExecCommand command;
  command.argv = {"env"};
  command.env = {{"MODE", "mine"}, {"OTHER", "x"}};
  const ExecCommand whole = ValueOf(OverImageDefaults(command, VmWith(Nginx())));
  CHECK(whole.env ==
        std::map<std::string, std::string>{{"MODE", "mine"}, {"OTHER", "x"}, {"PATH", "/opt/bin"}});
  CHECK(whole.user == "101:101");
  CHECK(whole.cwd == "/srv");
  CHECK(whole.argv == command.argv);

  command.env.clear();
  command.user = "root";
  command.cwd = "/tmp";
  const ExecCommand own = ValueOf(OverImageDefaults(command, VmWith(Nginx())));
  CHECK(own.env.at("MODE") == "second");
  CHECK(own.user == "root");
  CHECK(own.cwd == "/tmp");
}

TEST_CASE("a VM of which no image is known leaves a command as it is", "[daemon][image]") {
  ExecCommand command;
  command.argv = {"env"};
  const ExecCommand whole = ValueOf(OverImageDefaults(command, state::VmRecord()));
  CHECK(whole.env.empty());
  CHECK(whole.user.empty());
  CHECK(whole.cwd.empty());
}

TEST_CASE("the main process is entrypoint and command, as the image says", "[daemon][image]") {
  const ExecCommand main = ValueOf(MainCommand(VmWith(Nginx())));
  CHECK(main.argv == std::vector<std::string>{"/entry", "--", "nginx", "-g", "daemon off;"});
  CHECK(main.detach == "main");
  CHECK(main.user == "101:101");
  CHECK(main.vm_name == "web");
  const absl::Status none = MainCommand(VmWith({})).status();
  CHECK(none.code() == absl::StatusCode::kFailedPrecondition);
  CHECK(Message(none) == "vm 'web': image 'nginx' has neither an entrypoint nor a command to run");
}

TEST_CASE("a config that can't be read is told with the VM", "[daemon][image]") {
  state::VmRecord vm = VmWith({});
  vm.image->config = R"({"env":[1]})";
  const absl::Status status = OverImageDefaults({}, vm).status();
  CHECK(absl::IsDataLoss(status));
  CHECK(Message(status).find("vm 'web'") != std::string_view::npos);
  CHECK(StopSignal(vm) == 15);
}

TEST_CASE("stop signals are names or numbers of Linux", "[daemon][image]") {
  CHECK(StopSignal(VmWith(Nginx())) == 3);
  CHECK(StopSignal(VmWith({})) == 15);
  CHECK(SignalNumber("SIGTERM") == 15);
  CHECK(SignalNumber("USR1") == 10);
  CHECK(SignalNumber("9") == 9);
  CHECK(SignalNumber("SIGRTMIN+3") == 37);
  CHECK(SignalNumber("SIGRTMAX") == 64);
  CHECK(SignalNumber("RTMAX-1") == 63);
  for (const char* text : {"", "SIG", "0", "65", "SIGRTMIN+31", "SIGRTMAX-31", "SIGRTMIN+",
                           "KILLED", "SIGRTMIN+4294967295", "-1", "term "}) {
    INFO(text);
    CHECK(SignalNumber(text) == std::nullopt);
  }
}

}  // namespace
}  // namespace ember::daemon
