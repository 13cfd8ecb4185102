#include "daemon/options.h"

#include <fstream>

#include "base/status.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"
#include "tests/support/text.h"

namespace ember::daemon {
namespace {

using testing::Contains;
using testing::TextOf;

// A configuration file, applied to the defaults.
struct ConfigContext {
  absl::Status Apply(std::string_view text) {
    std::ofstream(file) << text;
    return ApplyConfigFile(file, options);
  }
  ParsedCommandLine Parse(std::vector<std::string> words) {
    words.insert(words.begin(), "emberhostd");
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    return ParseCommandLine(static_cast<int>(argv.size()), argv.data());
  }

  testing::TempDir dir;
  std::filesystem::path file = dir / "ember.yaml";
  Options options;
};

TEST_CASE("each key of the configuration file changes its option", "[daemon][options]") {
  ConfigContext context;
  REQUIRE_OK(
      context.Apply("log_level: debug\naccelerator: tcg\ndefault_backend: firecracker\n"
                    "boot_sign_seconds: 12.5\n"));
  CHECK(context.options.log_level == LogLevel::kDebug);
  CHECK(context.options.accelerator == "tcg");
  CHECK(context.options.default_backend == "firecracker");
  CHECK(context.options.boot_sign_seconds == 12.5);
}

TEST_CASE("an empty configuration file changes nothing", "[daemon][options]") {
  ConfigContext context;
  REQUIRE_OK(context.Apply("# nothing\n"));
  CHECK(context.options.default_backend == "qemu");
}

TEST_CASE("an unknown key names file, line and the nearest key", "[daemon][options]") {
  ConfigContext context;
  const absl::Status refused = context.Apply("log_level: info\ndefalt_backend: qemu\n");
  CHECK(refused.code() == absl::StatusCode::kInvalidArgument);
  CHECK(TextOf(refused) == context.file.native() + ":2: unknown key 'defalt_backend'");
  CHECK(HintOf(refused) == "did you mean 'default_backend'?");
}

TEST_CASE("a key that is there twice is refused with the place of the second",
          "[daemon][options]") {
  ConfigContext context;
  const absl::Status refused = context.Apply("log_level: info\nlog_level: debug\n");
  CHECK(TextOf(refused) == context.file.native() + ":2: 'log_level' is there twice");
}

TEST_CASE("a value that can't be is refused with its place", "[daemon][options]") {
  ConfigContext context;
  CHECK(Contains(TextOf(context.Apply("accelerator: warp\n")), "neither 'kvm' nor 'tcg'"));
  CHECK(Contains(TextOf(context.Apply("log_level: loud\n")), ":1: 'log_level'"));
  CHECK(Contains(TextOf(context.Apply("boot_sign_seconds: 0\n")), "more than 0"));
  CHECK(Contains(TextOf(context.Apply("boot_sign_seconds: soon\n")), "wrong type"));
  CHECK(Contains(TextOf(context.Apply("boot_sign_seconds: .inf\n")), "boot_sign_seconds"));
  CHECK(Contains(TextOf(context.Apply("log_level: [a]\n")), "wrong type"));
  CHECK_FALSE(context.Apply("- a list\n").ok());
  CHECK_FALSE(context.Apply("log_level: \"\n").ok());
}

TEST_CASE("a configuration file that is not there is an error", "[daemon][options]") {
  ConfigContext context;
  CHECK(ApplyConfigFile(context.dir / "absent", context.options).code() ==
        absl::StatusCode::kNotFound);
}

TEST_CASE("the command line wins over the file", "[daemon][options]") {
  ConfigContext context;
  std::ofstream(context.file) << "log_level: debug\naccelerator: tcg\n";
  const auto parsed = context.Parse(
      {"--state-dir", context.dir.path(), "--config", context.file, "--log-level", "error"});
  REQUIRE(parsed.options.has_value());
  CHECK(parsed.options->log_level == LogLevel::kError);
  CHECK(parsed.options->accelerator == "tcg");
  CHECK(parsed.options->socket == context.dir / "emberhostd.sock");
}

TEST_CASE("a wrong command line is told apart from a question", "[daemon][options]") {
  ConfigContext context;
  CHECK(context.Parse({"--version"}).exit_code == 0);
  CHECK(Contains(context.Parse({"--help"}).text, "Example"));
  const auto wrong = context.Parse({"--bogus"});
  CHECK(wrong.exit_code == 2);
  CHECK(Contains(wrong.text, "error: "));
  CHECK(context.Parse({"--listen", "tcp:1"}).exit_code == 2);
}

}  // namespace
}  // namespace ember::daemon
