#pragma once

#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <csignal>
#include <filesystem>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "base/file.h"
#include "base/status.h"
#include "base/subprocess.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace ember::testing {

// docker-registry on a port of the loopback, with files of its own; ends with the object.
class LocalRegistry {
 public:
  LocalRegistry() {
    for (const char* program : {"docker-registry", "skopeo"}) {
      if (!FindProgram(program).has_value()) why_not_ = std::string(program) + " is not installed";
    }
    if (why_not_.empty()) Start();
  }
  LocalRegistry(const LocalRegistry&) = delete;
  LocalRegistry& operator=(const LocalRegistry&) = delete;
  ~LocalRegistry() {
    if (!process_.has_value()) return;
    process_->Signal(SIGKILL).IgnoreError();
    process_->Wait(Cancellation::After(absl::Seconds(10))).status().IgnoreError();
  }

  bool running() const { return process_.has_value(); }
  const std::string& why_not() const { return why_not_; }
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

  // Puts the image of an OCI archive there, under a reference of this registry.
  void Push(const std::string& archive, const std::string& reference) const {
    REQUIRE_OK(RunToolForOutput({"skopeo", "copy", "--insecure-policy", "--dest-tls-verify=false",
                                 "oci-archive:" + archive, "docker://" + reference},
                                Cancellation::After(absl::Minutes(1))));
  }

 private:
  void Start() {
    const int port = FreePort();
    const std::string config = fmt::format(
        "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {}\n"
        "http:\n  addr: 127.0.0.1:{}\n",
        (dir_ / "data").native(), port);
    REQUIRE_OK(WriteFileAtomically(dir_ / "config.yml", config, 0644));
    SpawnOptions options;
    options.argv = {"docker-registry", "serve", dir_ / "config.yml"};
    options.die_with_parent = true;
    process_ = ValueOf(Spawn(options));
    port_ = port;
    const Cancellation limit = Cancellation::After(absl::Seconds(30));
    while (!Serves()) {
      REQUIRE_FALSE(process_->Ended());
      REQUIRE_OK(limit.Pause(absl::Milliseconds(20), "the registry's start"));
    }
  }

  // A port that nobody has now. Somebody may take it before the registry does: then its start
  // fails, and the test with it.
  static int FreePort() {
    const UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address = Loopback(0);
    socklen_t size = sizeof(address);
    REQUIRE(bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size) == 0);
    REQUIRE(getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
    return ntohs(address.sin_port);
  }
  bool Serves() const {
    const UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address = Loopback(port_);
    return connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
  }
  static sockaddr_in Loopback(int port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<uint16_t>(port));
    return address;
  }

  TempDir dir_;
  std::optional<Process> process_;
  int port_ = 0;
  std::string why_not_;
};

}  // namespace ember::testing
