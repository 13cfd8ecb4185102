#pragma once

#include <unistd.h>

#include <csignal>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "base/file.h"
#include "base/subprocess.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace ember::testing {

inline bool HasRegistry() {
  return FindProgram("docker-registry").has_value() && FindProgram("skopeo").has_value();
}

enum class RegistryAuth { kNone, kPassword };

// A real registry of its own on a free port of the loopback interface; ended, by its pid, and its
// files removed with this object.
class Registry {
 public:
  static constexpr char kUser[] = "tester";
  static constexpr char kPassword[] = "secret";

  explicit Registry(RegistryAuth auth = RegistryAuth::kNone) {
    std::string config =
        "version: 0.1\nstorage:\n  delete:\n    enabled: true\n  filesystem:\n    rootdirectory: " +
        (dir_ / "data").native() + "\nhttp:\n  addr: 127.0.0.1:0\n";
    if (auth == RegistryAuth::kPassword) {
      REQUIRE_OK(WriteFileAtomically(
          dir_ / "htpasswd",
          "tester:$2b$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n", 0600));
      config +=
          "auth:\n  htpasswd:\n    realm: test\n    path: " + (dir_ / "htpasswd").native() + "\n";
    }
    REQUIRE_OK(WriteFileAtomically(dir_ / "config.yml", config, 0644));
    int fds[2];
    EMBER_CHECK(pipe(fds) == 0);
    log_ = UniqueFd(fds[0]);
    UniqueFd write_end(fds[1]);
    SpawnOptions spawn;
    spawn.argv = {"docker-registry", "serve", (dir_ / "config.yml").native()};
    spawn.stderr_fd = spawn.stdout_fd = write_end.get();
    process_.emplace(ValueOf(Spawn(spawn)));
    auto port = port_.get_future();
    reader_ = std::jthread([this] { ReadLog(); });
    write_end.Reset();
    address_ = "127.0.0.1:" + port.get();
  }
  ~Registry() {
    process_->Signal(SIGKILL).IgnoreError();
    process_->Wait({}).IgnoreError();
  }
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  // "127.0.0.1:PORT"
  const std::string& address() const { return address_; }
  uint16_t port() const {
    return static_cast<uint16_t>(std::stoi(address_.substr(address_.find(':') + 1)));
  }

  // Pushes what `source` means to skopeo ("oci-archive:FILE") as `name`.
  void Push(const std::string& source, const std::string& name,
            const std::vector<std::string>& options = {}) const {
    std::vector<std::string> argv = {"skopeo", "--insecure-policy", "copy", "--quiet",
                                     "--dest-tls-verify=false"};
    argv.insert(argv.end(), options.begin(), options.end());
    argv.push_back(source);
    argv.push_back("docker://" + address_ + "/" + name);
    REQUIRE_OK(RunToolForOutput(argv, Cancellation::After(absl::Minutes(2))));
  }

 private:
  // Also keeps the pipe from filling up.
  void ReadLog() {
    constexpr std::string_view kListening = "listening on 127.0.0.1:";
    std::string text;
    bool told = false;
    char buffer[4096];
    for (ssize_t got = 0; (got = read(log_.get(), buffer, sizeof(buffer))) > 0;) {
      if (told) continue;
      text.append(buffer, static_cast<size_t>(got));
      const size_t at = text.find(kListening);
      if (at == text.npos || text.find('"', at) == text.npos) continue;
      const size_t start = at + kListening.size();
      port_.set_value(text.substr(start, text.find('"', start) - start));
      told = true;
    }
    // It ended before it listened: what it said is all there is.
    if (!told) port_.set_value("0 (" + text + ")");
  }

  TempDir dir_;
  std::promise<std::string> port_;
  UniqueFd log_;
  std::optional<Process> process_;
  std::string address_;
  std::jthread reader_;  // ends with the process
};

}  // namespace ember::testing
