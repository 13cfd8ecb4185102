#include "cli/arguments.h"

#include "base/status.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace ember::cli {
namespace {

// A command with one argument of each kind.
struct Example {
  Example() {
    arguments.Positional("NAME", name, "");
    arguments.Text("--image", "IMAGE", image, "", Need::kRequired);
    arguments.Repeated("--env", "KEY=VALUE", env, "");
    arguments.Flag("-f,--force", force, "");
    arguments.Size("--memory", memory, "");
    arguments.Duration("--wait", wait, "");
    arguments.Number("--cpus", "N", 1, cpus, "");
    arguments.Choice("--init", {"auto", "agent"}, init, "");
    arguments.Pairs("--label", labels, "");
    arguments.PairList("--labels", labels, "");
    arguments.Text("--boot-args", "TEXT", boot_args, "");
    arguments.Size("--disk", disk, "");
    arguments.TimeToLive("--ttl", ttl, "");
    arguments.Choice("--restart", {"no", "always"}, restart, "");
    arguments.Switch("rm", rm, "");
  }
  std::string ErrorOf(std::vector<std::string> words) {
    words.insert(words.begin(), {"web", "--image", "i"});
    return std::string(Message(arguments.Parse(words, std::nullopt)));
  }

  Arguments arguments;
  std::string name, image, init;
  std::vector<std::string> env;
  bool force = false;
  uint64_t memory = 0;
  std::optional<absl::Duration> wait;
  std::optional<uint64_t> cpus;
  std::map<std::string, std::string> labels;
  std::optional<std::string> boot_args, restart;
  std::optional<uint64_t> disk;
  std::optional<absl::Duration> ttl;
  std::optional<bool> rm;
};

TEST_CASE("arguments of every kind reach their targets", "[cli][arguments]") {
  Example e;
  REQUIRE_OK(e.arguments.Parse(
      {"--env", "A=1", "web", "--env=B=x=y", "--image", "debian", "-f", "--memory", "1G", "--wait",
       "5", "--cpus", "2", "--init", "agent", "--label", "a=1", "--label", "b="},
      std::nullopt));
  CHECK(e.name == "web");
  CHECK(e.image == "debian");
  CHECK(e.env == std::vector<std::string>{"A=1", "B=x=y"});
  CHECK(e.force);
  CHECK(e.memory == uint64_t{1} << 30);
  CHECK(e.wait == absl::Seconds(5));
  CHECK(e.cpus == 2u);
  CHECK(e.init == "agent");
  CHECK(e.labels == std::map<std::string, std::string>{{"a", "1"}, {"b", ""}});
}

TEST_CASE("what is not given is told from what is empty", "[cli][arguments]") {
  Example none;
  REQUIRE_OK(none.arguments.Parse({"web", "--image", "i"}, std::nullopt));
  CHECK_FALSE(none.boot_args.has_value());
  CHECK_FALSE(none.disk.has_value());
  CHECK_FALSE(none.restart.has_value());
  CHECK_FALSE(none.rm.has_value());
  Example all;
  REQUIRE_OK(all.arguments.Parse({"web", "--image", "i", "--boot-args", "", "--disk", "8G", "--ttl",
                                  "1d", "--restart", "always"},
                                 std::nullopt));
  CHECK(all.boot_args == "");
  CHECK(all.disk == uint64_t{8} << 30);
  CHECK(all.ttl == absl::Hours(24));
  CHECK(all.restart == "always");
}

TEST_CASE("the last of a switch's spellings counts", "[cli][arguments]") {
  const auto rm = [](std::vector<std::string> words) {
    Example e;
    words.insert(words.begin(), {"web", "--image", "i"});
    REQUIRE_OK(e.arguments.Parse(words, std::nullopt));
    return e.rm;
  };
  CHECK(rm({"--rm"}) == true);
  CHECK(rm({"--no-rm"}) == false);
  CHECK(rm({"--rm", "--no-rm"}) == false);
  CHECK(rm({"--no-rm", "--rm"}) == true);
  CHECK_FALSE(Example().ErrorOf({"--rm=maybe"}).empty());
}

TEST_CASE("labels may come one by one or in a list", "[cli][arguments]") {
  Example e;
  REQUIRE_OK(e.arguments.Parse(
      {"web", "--image", "i", "--label", "a=1,2", "--labels", "b=x=y,c=", "--labels", "d=4"},
      std::nullopt));
  CHECK(e.labels ==
        std::map<std::string, std::string>{{"a", "1,2"}, {"b", "x=y"}, {"c", ""}, {"d", "4"}});
  CHECK(Example().ErrorOf({"--labels", "a=1,,b=2"}) == "--labels '' is not KEY=VALUE");
}

TEST_CASE("a word that is none of the choices finds the one that was meant", "[cli][arguments]") {
  const absl::Status status =
      Example().arguments.Parse({"web", "--image", "i", "--restart", "alwyas"}, std::nullopt);
  CHECK(Message(status) == "--restart 'alwyas' is none of no, always");
  CHECK(HintOf(status) == "did you mean 'always'?");
}

TEST_CASE("a bad value is named in the error", "[cli][arguments]") {
  CHECK(Example().ErrorOf({"--memory", "512"}) ==
        "bare number '512' requires a unit suffix (e.g., 512M or 512G)");
  CHECK(Example().ErrorOf({"--cpus", "0"}) == "--cpus '0' must be at least 1");
  CHECK(Example().ErrorOf({"--cpus", "two"}) == "--cpus 'two' is not a whole number");
  CHECK(Example().ErrorOf({"--cpus", "99999999999999999999"}) ==
        "--cpus '99999999999999999999' is not a whole number");
  CHECK(Example().ErrorOf({"--init", "x"}) == "--init 'x' is none of auto, agent");
  CHECK(Example().ErrorOf({"--label", "x"}) == "--label 'x' is not KEY=VALUE");
  CHECK(Example().ErrorOf({"--wait", "soon"}) ==
        "duration 'soon' is not a time (e.g., 30, 1.5s, 2m or 1h30m)");
}

TEST_CASE("what is missing or too much is named in the error", "[cli][arguments]") {
  Example e;
  CHECK(Message(e.arguments.Parse({"web"}, std::nullopt)) == "--image IMAGE is missing");
  CHECK(Message(Example().arguments.Parse({"--image", "i"}, std::nullopt)) == "NAME is missing");
  CHECK(Example().ErrorOf({"more"}) == "unexpected argument 'more'");
  const absl::Status unknown = Example().arguments.Parse({"web", "--imgae", "i"}, std::nullopt);
  CHECK(Message(unknown) == "unknown option '--imgae'");
  CHECK(HintOf(unknown) == "did you mean --image?");
}

}  // namespace
}  // namespace ember::cli
