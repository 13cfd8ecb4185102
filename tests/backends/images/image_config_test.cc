#include "backends/images/image_config.h"

#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace ember::images {
namespace {

using testing::ValueOf;

ImageConfig FullConfig() {
  ImageConfig config;
  config.env = {"PATH=/bin", "EMPTY="};
  config.entrypoint = {"/server", "--port=80"};
  config.cmd = {"--verbose"};
  config.user = "web:www";
  config.working_dir = "/srv";
  config.labels = {{"org.example.team", "core"}};
  config.stop_signal = "SIGINT";
  config.exposed_ports = {"443/tcp", "80/tcp"};
  config.architecture = "amd64";
  return config;
}

TEST_CASE("an image config survives its JSON", "[images][config]") {
  CHECK(ValueOf(ImageConfigFromJson(ImageConfigToJson(FullConfig()))) == FullConfig());
  CHECK(ImageConfigToJson(ImageConfig()) == "{}");
  CHECK(ValueOf(ImageConfigFromJson("{}")) == ImageConfig());
}

TEST_CASE("what Docker and OCI tools write is read", "[images][config]") {
  const auto config = ReadOciImageConfig(R"({
    "architecture": "amd64", "os": "linux", "created": "2024-01-01T00:00:00Z",
    "config": {"Env": ["PATH=/bin", "EMPTY="], "Entrypoint": ["/server", "--port=80"],
      "Cmd": ["--verbose"], "User": "web:www", "WorkingDir": "/srv",
      "Labels": {"org.example.team": "core"}, "StopSignal": "SIGINT",
      "ExposedPorts": {"80/tcp": {}, "443/tcp": {}}, "Volumes": {"/data": {}}},
    "rootfs": {"type": "layers", "diff_ids": []}})");
  CHECK(ValueOf(config) == FullConfig());
}

TEST_CASE("an image config may say nothing", "[images][config]") {
  CHECK(ValueOf(ReadOciImageConfig("{}")) == ImageConfig());
  CHECK(ValueOf(ReadOciImageConfig(R"({"config": null})")) == ImageConfig());
  CHECK(ValueOf(ReadOciImageConfig(R"({"config": {"Entrypoint": null, "Labels": null}})")) ==
        ImageConfig());
}

TEST_CASE("a relative working directory is one from the root", "[images][config]") {
  CHECK(ValueOf(ReadOciImageConfig(R"({"config": {"WorkingDir": "srv"}})")).working_dir == "/srv");
}

TEST_CASE("a config that is none is refused with what is wrong", "[images][config]") {
  const auto says = [](std::string_view json, const std::string& text) {
    const absl::Status status = ReadOciImageConfig(json).status();
    INFO(status.ToString());
    CHECK(absl::IsInvalidArgument(status));
    CHECK(std::string(status.message()) == "OCI image configuration: " + text);
  };
  says("", "not a JSON object");
  says("[1]", "not a JSON object");
  says(R"({"config": 3})", "'config' is not an object");
  says(R"({"config": {"Env": "PATH=/bin"}})", "'Env' is not a list of texts");
  says(R"({"config": {"Cmd": ["a", 3]}})", "'Cmd' is not a list of texts");
  says(R"({"config": {"Env": ["PATH"]}})", "environment variable 'PATH' is not NAME=value");
  says(R"({"config": {"Env": ["=x"]}})", "environment variable '=x' is not NAME=value");
  says(R"({"config": {"Labels": {"a": 1}}})", "'Labels' is not an object of texts");
  says(R"({"config": {"User": 0}})", "'User' is not a text");
}

}  // namespace
}  // namespace ember::images
