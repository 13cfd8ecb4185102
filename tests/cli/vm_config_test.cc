#include "cli/vm_config.h"

#include "base/file.h"
#include "base/status.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace ember::cli {
namespace {

using testing::TempDir;
using testing::ValueOf;

VmConfig Parsed(std::string_view text) { return ValueOf(ParseVmConfig(text, "vm.yaml")); }

TEST_CASE("every key of a file reaches its field", "[cli][vm_config]") {
  const VmConfig config = Parsed(R"(# a build machine
name: build
image: debian
kernel: own
cpus: 4
memory: 2G
disk: 20GiB
disks: [scratch=1G]
volumes:
  - data=10G:/srv/data
  - shared:/srv/shared:ro
backend: qemu
init: agent
boot_args: quiet loglevel=3
labels:
  team: core
  build: 12
restart: on-failure
autostart: true
rm: false
ttl: 1d12h
start: false
wait: 30
)");
  VmConfig expected;
  expected.name = "build";
  expected.image = "debian";
  expected.kernel = "own";
  expected.cpus = 4;
  expected.memory = uint64_t{2} << 30;
  expected.disk = uint64_t{20} << 30;
  expected.volumes = {{"scratch", "", false, uint64_t{1} << 30},
                      {"data", "/srv/data", false, uint64_t{10} << 30},
                      {"shared", "/srv/shared", true, 0}};
  expected.backend = "qemu";
  expected.init = "agent";
  expected.boot_args = "quiet loglevel=3";
  expected.labels = {{"build", "12"}, {"team", "core"}};
  expected.restart = "on-failure";
  expected.autostart = true;
  expected.rm = false;
  expected.ttl = absl::Hours(36);
  expected.start = false;
  expected.wait = absl::Seconds(30);
  CHECK(config == expected);
}

TEST_CASE("a volume of a file that is none is named with its line", "[cli][vm_config]") {
  for (const char* text : {"volumes:\n  - data\n", "disks:\n  - 8G\n", "volumes:\n  - [a]\n"}) {
    const auto config = ParseVmConfig(text, "vm.yaml");
    CHECK(absl::IsInvalidArgument(config.status()));
    CHECK(Message(config.status()).find("vm.yaml:2: a volume") == 0);
  }
  CHECK(Message(ParseVmConfig("volumes: data\n", "vm.yaml").status()) ==
        "vm.yaml:1: volumes: expected a list, found 'data'");
}

TEST_CASE("volumes are merged by name", "[cli][vm_config]") {
  VmConfig below;
  below.volumes = {{"a", "/a", false, 0}, {"b", "/b", false, 0}};
  VmConfig above;
  above.volumes = {{"b", "/c", true, 0}, {"d", "/d", false, 0}};
  CHECK(MergedVmConfig(below, above).volumes == std::vector<VolumeSpec>{{"a", "/a", false, 0},
                                                                        {"b", "/c", true, 0},
                                                                        {"d", "/d", false, 0}});
}

TEST_CASE("what a file does not say stays unset", "[cli][vm_config]") {
  const VmConfig config = Parsed("image: debian\n");
  VmConfig expected;
  expected.image = "debian";
  CHECK(config == expected);
}

TEST_CASE("the key decides how a value is read, quotes do not", "[cli][vm_config]") {
  // YAML 1.1 takes a bare `no` for a boolean.
  CHECK(Parsed("restart: no").restart == "no");
  CHECK(Parsed("restart: \"no\"").restart == "no");
  CHECK(Parsed("cpus: \"2\"").cpus == 2u);
  CHECK(Parsed("rm: 'true'").rm == true);
  CHECK(Parsed("{image: debian, labels: {a: ''}}").labels.at("a").empty());
  CHECK(Parsed("image: &i debian\nname: *i").name == "debian");
  CHECK(Parsed("---\nimage: debian\n...\n").image == "debian");
}

struct BadInput {
  const char* text;
  const char* message;
  const char* hint;  // nullptr: none
};

TEST_CASE("an error names the file, the line and what is expected", "[cli][vm_config]") {
  constexpr char kExample[] = "keys and values look like this: memory: 1G (docs/vm-config.md)";
  const std::vector<BadInput> inputs = {
      {"", "vm.yaml: is empty", kExample},
      {"# nothing\n", "vm.yaml: is empty", kExample},
      {"- image\n", "vm.yaml:1: expected keys with values, found a list", kExample},
      {"\nimage", "vm.yaml:2: expected keys with values, found 'image'", kExample},
      {"a: 1\n---\nb: 1\n", "vm.yaml:2: more follows after the first document",
       "a file describes one VM; make a file for each"},
      {"---\n---\nimage: a\n", "vm.yaml:2: more follows after the first document",
       "a file describes one VM; make a file for each"},
      {"{image: a}}\n", "vm.yaml:1: not valid YAML: illegal flow end", nullptr},
      {"{image: a}, b\n", "vm.yaml:1: more follows after the first document",
       "a file describes one VM; make a file for each"},
      {"image: a\nmemry: 1G\n", "vm.yaml:2: unknown key 'memry'", "did you mean 'memory'?"},
      {"image: a\nboot-args: x\n", "vm.yaml:2: unknown key 'boot-args'",
       "did you mean 'boot_args'?"},
      {"<<: {a: b}", "vm.yaml:1: unknown key '<<'",
       "the keys are name, image, kernel, cpus, memory, disk, disk_size, disks, volumes, "
       "backend, init, boot_args, labels, restart, autostart, rm, run, ttl, start, wait"},
      {"cpus: 1\nimage: a\ncpus: 2\n", "vm.yaml:3: duplicate key 'cpus' (it stands in line 1, too)",
       nullptr},
      {"? [a]\n: b\n", "vm.yaml:1: a key must be a word", nullptr},
      {"image: [a]\n", "vm.yaml:1: image: expected text, found a list", nullptr},
      {"image:\n", "vm.yaml:1: image: expected text, found nothing", nullptr},
      {"cpus: two\n", "vm.yaml:1: cpus 'two' is not a whole number", nullptr},
      {"cpus: 1.5\n", "vm.yaml:1: cpus '1.5' is not a whole number", nullptr},
      {"cpus: 0\n", "vm.yaml:1: cpus '0' must be at least 1", nullptr},
      {"cpus: {a: b}\n", "vm.yaml:1: cpus: expected a whole number, found a map", nullptr},
      {"image: a\n\nmemory: 512\n",
       "vm.yaml:3: memory: bare number '512' requires a unit suffix (e.g., 512M or 512G)", nullptr},
      {"memory: 1537K\n", "vm.yaml:1: memory '1537K' is not a whole number of MiB", nullptr},
      {"memory: [1G]\n", "vm.yaml:1: memory: expected a size such as 512M or 8G, found a list",
       nullptr},
      {"disk: 8GB\n",
       "vm.yaml:1: disk: size '8GB' uses a decimal unit; use 8G or 8GiB (powers of 1024)", nullptr},
      {"restart: allways\n", "vm.yaml:1: restart 'allways' is none of no, on-failure, always",
       "did you mean 'always'?"},
      {"init: systemd\n", "vm.yaml:1: init 'systemd' is none of auto, agent", nullptr},
      {"init: []\n", "vm.yaml:1: init: expected one of auto, agent, found a list", nullptr},
      {"rm: yes\n", "vm.yaml:1: rm: expected true or false, found 'yes'", nullptr},
      {"start: 0\n", "vm.yaml:1: start: expected true or false, found '0'", nullptr},
      {"ttl: 90\n",
       "vm.yaml:1: ttl: bare number '90' requires a unit suffix (e.g., 90s, 90m or 90h)", nullptr},
      {"wait: soon\n",
       "vm.yaml:1: wait: duration 'soon' is not a time (e.g., 30, 1.5s, 2m or 1h30m)", nullptr},
      {"wait: {}\n", "vm.yaml:1: wait: expected a time such as 90s or 2h, found a map", nullptr},
      {"labels: [a]\n", "vm.yaml:1: labels: expected a map of keys to values, found a list",
       nullptr},
      {"labels:\n  a: 1\n  b: [1]\n", "vm.yaml:3: label 'b': expected text, found a list", nullptr},
      {"labels:\n  a: 1\n  a: 2\n", "vm.yaml:3: duplicate key 'a' (it stands in line 2, too)",
       nullptr},
      {"labels:\n  a=b: 1\n",
       "vm.yaml:2: label 'a=b': a label's key may be neither empty nor hold a '='", nullptr},
      {"labels: {'': 1}\n",
       "vm.yaml:1: label '': a label's key may be neither empty nor hold a '='", nullptr},
      {"image: a\nlabels: {a: b\n", "vm.yaml:2: not valid YAML: end of map flow not found",
       nullptr},
      {"image: a\nlabels: {a: \xff}\n", "vm.yaml:2: is not UTF-8 text", nullptr},
      {"image: \"a\\N\"\n", "vm.yaml:1: image: is not UTF-8 text", nullptr},
      {"labels:\n  \"\\_\": a\n", "vm.yaml:2: is not UTF-8 text", nullptr},
      {"\xff\xfei\n", "vm.yaml:1: is not UTF-8 text", nullptr},
      {"image: \"a\n", "vm.yaml:1: not valid YAML: illegal EOF in scalar", nullptr},
  };
  for (const BadInput& input : inputs) {
    INFO(input.text);
    const absl::Status status = ParseVmConfig(input.text, "vm.yaml").status();
    CHECK(absl::IsInvalidArgument(status));
    CHECK(Message(status) == input.message);
    CHECK(HintOf(status) ==
          (input.hint == nullptr ? std::nullopt : std::optional<std::string>(input.hint)));
  }
}

TEST_CASE("a file that is too large is not parsed", "[cli][vm_config]") {
  const absl::Status status = ParseVmConfig(std::string(65537, '#'), "vm.yaml").status();
  CHECK(Message(status) == "vm.yaml: is larger than 64K");
}

TEST_CASE("nesting without an end is an error", "[cli][vm_config]") {
  const absl::Status status = ParseVmConfig(std::string(60000, '['), "vm.yaml").status();
  CHECK(Message(status) == "vm.yaml:1: is nested too deeply");
}

TEST_CASE("a file that can't be read keeps the code of its failure", "[cli][vm_config]") {
  const TempDir dir;
  const absl::Status missing = ReadVmConfig(dir / "none.yaml").status();
  CHECK(absl::IsNotFound(missing));
  CHECK(Message(missing) == (dir / "none.yaml").string() + ": No such file or directory");
  CHECK(ReadVmConfig(dir.path()).status().message().find("Is a directory") != std::string::npos);
  REQUIRE_OK(WriteFileAtomically(dir / "vm.yaml", "image: debian\n", 0600));
  CHECK(ValueOf(ReadVmConfig(dir / "vm.yaml")).image == "debian");
}

TEST_CASE("what stands above wins, and labels are merged key by key", "[cli][vm_config]") {
  VmConfig file = Parsed("{image: a, cpus: 2, rm: true, boot_args: quiet, labels: {a: 1, b: 1}}");
  VmConfig flags;
  flags.image = "b";
  flags.rm = false;
  flags.boot_args = "";
  flags.labels = {{"b", "2"}, {"c", "2"}};
  const VmConfig merged = MergedVmConfig(file, flags);
  CHECK(merged.image == "b");
  CHECK(merged.cpus == 2u);
  CHECK(merged.rm == false);
  CHECK(merged.boot_args == "");
  CHECK(merged.labels == std::map<std::string, std::string>{{"a", "1"}, {"b", "2"}, {"c", "2"}});
  CHECK_FALSE(merged.memory.has_value());
}

}  // namespace
}  // namespace ember::cli
