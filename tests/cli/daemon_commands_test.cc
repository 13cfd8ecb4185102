#include <unistd.h>

#include <csignal>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "tests/cli/ember_program.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace ember::testing {
namespace {

using Catch::Matchers::Contains;
using nlohmann::json;

// An installation of its own: ember and, next to it, a daemon. Ends the daemon that it started.
class Installation {
 public:
  Installation() : context_(EmberContext::Daemon::kAbsent) {
    const auto bin = context_.dir() / "bin";
    std::filesystem::create_directory(bin);
    std::filesystem::copy_file(context_.program, bin / "ember");
    std::filesystem::copy_file(FAKE_DAEMON, bin / "emberhostd");
    context_.program = bin / "ember";
    context_.env().erase("EMBER_HOST");
  }
  ~Installation() {
    if (pid_ > 0) ::kill(pid_, SIGKILL);  // has usually ended
  }

  ProgramResult Run(std::vector<std::string> words) {
    words.insert(words.begin(), {"--state-dir", state_dir()});
    return context_.Run(words);
  }
  ProgramResult Start(std::vector<std::string> more = {}) {
    more.insert(more.begin(), {"daemon", "start", "--format", "json"});
    const ProgramResult result = Run(more);
    if (result.code == 0) pid_ = json::parse(result.out)["pid"].get<pid_t>();
    return result;
  }
  pid_t pid() const { return pid_; }
  std::string state_dir() const { return context_.dir() / "state"; }

 private:
  EmberContext context_;
  pid_t pid_ = 0;
};

TEST_CASE("a daemon is started once, answers and is stopped", "[cli][daemon]") {
  Installation here;
  const ProgramResult started = here.Start();
  INFO(started.err);
  REQUIRE(started.code == 0);
  CHECK_THAT(started.err, Contains("emberhostd has started"));
  CHECK(::getsid(here.pid()) == here.pid());  // outlives our session

  const ProgramResult again = here.Run({"daemon", "start"});
  CHECK(again.code == 0);
  CHECK_THAT(again.err, Contains("is running already"));
  CHECK_THAT(here.Run({"daemon", "status"}).out, Contains("emberhostd is running"));
  CHECK_THAT(here.Run({"version"}).out, Contains("9.8.7"));

  CHECK(here.Run({"daemon", "stop"}).code == 0);
  CHECK(here.Run({"daemon", "status"}).code == 3);
}

TEST_CASE("a daemon that ends at once is quoted", "[cli][daemon]") {
  Installation here;
  const ProgramResult result = here.Start({"--", "--die"});
  CHECK(result.code == 1);
  CHECK_THAT(result.err, Contains("exit code 3: state.db is corrupt"));
  CHECK_THAT(result.err, Contains("hint: its log is " + here.state_dir() + "/emberhostd.log"));
}

TEST_CASE("the pid must be that of the socket's listener, or nothing is stopped", "[cli][daemon]") {
  // The fake daemon in this process reports this process, so the check passes; one that reports
  // another must not be able to have it stopped.
  EmberContext context;
  context.host().ReportPid(1);
  const ProgramResult result = context.Run({"daemon", "stop"});
  CHECK(result.code == 5);
  CHECK_THAT(result.err, Contains("the daemon's pid is 1"));
}

TEST_CASE("version works without a daemon", "[cli][daemon]") {
  EmberContext context(EmberContext::Daemon::kAbsent);
  const ProgramResult result = context.Run({"version", "--format", "json"});
  CHECK(result.code == 0);
  const json version = json::parse(result.out);
  CHECK(version["client"]["version"].is_string());
  CHECK(version["daemon"].is_null());
}

TEST_CASE("doctor fails when there is a problem, and shows the remedy", "[cli][doctor]") {
  EmberContext context;
  const ProgramResult result = context.Run({"doctor"});
  CHECK(result.code == 1);
  CHECK_THAT(result.out, Contains("✓  qemu"));
  CHECK_THAT(result.out, Contains("✗  kernel"));
  CHECK_THAT(result.out, Contains("ember kernel add debian"));
  CHECK(json::parse(context.Run({"doctor", "--format", "json"}).out)[1]["verdict"] == "problem");
}

TEST_CASE("host info is printed for people and for scripts", "[cli][host]") {
  EmberContext context;
  CHECK_THAT(context.Run({"host", "info"}).out, Contains("memory:           4G"));
  CHECK(json::parse(context.Run({"host", "info", "--format", "json"}).out)["host_cpus"] == 2);
}

}  // namespace
}  // namespace ember::testing
