// `ember cp` against scp and `tar | ssh` into the same VM.
#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <random>

#include "base/file.h"
#include "tests/bench/host/samples.h"
#include "tests/bench/host/ssh_guest.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace ember::bench {
namespace {

using testing::ValueOf;

constexpr int kRounds = 3;
constexpr size_t kFileBytes = size_t{256} << 20;
constexpr int kFolders = 50;
constexpr int kFilesEach = 100;

Cancellation Limit() { return Cancellation::After(absl::Seconds(600)); }

std::string RandomBytes(std::mt19937_64& random, size_t size) {
  std::string bytes(size, '\0');
  for (size_t i = 0; i + 8 <= size; i += 8) {
    const uint64_t word = random();
    bytes.replace(i, 8, reinterpret_cast<const char*>(&word), 8);
  }
  return bytes;
}

// "big", a file, and "tree", 5,000 files of 1 to 8 KiB in 50 folders.
void MakeContent(const std::filesystem::path& dir) {
  std::mt19937_64 random(20260101);
  REQUIRE_OK(WriteFileAtomically(dir / "big", RandomBytes(random, kFileBytes), 0644));
  for (int folder = 0; folder < kFolders; ++folder) {
    const auto path = dir / "tree" / std::to_string(folder);
    std::filesystem::create_directories(path);
    for (int file = 0; file < kFilesEach; ++file) {
      const size_t size = 1024 + random() % (7 * 1024);
      REQUIRE_OK(WriteFileAtomically(path / std::to_string(file), RandomBytes(random, size), 0644));
    }
  }
}

// `left | right`; both must end with code 0.
absl::Duration TimeOfPipeline(const std::vector<std::string>& left,
                              const std::vector<std::string>& right) {
  int ends[2];
  REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
  UniqueFd read_end(ends[0]);
  UniqueFd write_end(ends[1]);
  return TimeOf([&] {
    SpawnOptions from;
    from.argv = left;
    from.stdout_fd = write_end.get();
    Process source = ValueOf(Spawn(from));
    SpawnOptions to;
    to.argv = right;
    to.stdin_fd = read_end.get();
    Process sink = ValueOf(Spawn(to));
    read_end.Reset();
    write_end.Reset();
    REQUIRE(ValueOf(source.Wait(Limit())).code == 0);
    REQUIRE(ValueOf(sink.Wait(Limit())).code == 0);
  });
}

absl::Duration TimeOfCopy(const std::vector<std::string>& argv) {
  SpawnOptions options;
  options.argv = argv;
  return TimeOf([&options] {
    Process process = ValueOf(Spawn(options));
    REQUIRE(ValueOf(process.Wait(Limit())).code == 0);
  });
}

// One number for everything below a folder, names included.
constexpr const char* kSum =
    "cd \"$0\" && find . -type f | LC_ALL=C sort | xargs sha256sum | sha256sum";

class Copies {
 public:
  Copies(testing::Installation& ember, const SshGuest& guest) : ember_(ember), guest_(guest) {
    MakeContent(dir_.path());
  }

  void Compare(const std::string& what) {
    const std::string from = dir_ / what;
    Samples ours, scp, tar, ours_back, scp_back;
    for (int round = 0; round < kRounds; ++round) {
      ours.Add(TimeOfCopy(ember_.EmberTool({"cp", "--quiet", from, "ssh:" + Fresh("e")}).argv));
      scp.Add(TimeOfCopy(guest_.Scp({from, "guest:" + Fresh("s")})));
      tar.Add(TimeOfPipeline({"tar", "-C", dir_.path(), "-cf", "-", what},
                             guest_.Ssh({"tar", "-C", Fresh("t"), "-xf", "-"})));
      ours_back.Add(
          TimeOfCopy(ember_.EmberTool({"cp", "--quiet", "ssh:/root/e/" + what, Back("e")}).argv));
      scp_back.Add(TimeOfCopy(guest_.Scp({"guest:/root/s/" + what, Back("s")})));
    }
    std::printf("%s, into the VM:\n", what.c_str());
    Print("ember cp", ours, ours);
    Print("scp", scp, ours);
    Print("tar | ssh tar", tar, ours);
    std::printf("%s, out of the VM:\n", what.c_str());
    Print("ember cp", ours_back, ours_back);
    Print("scp", scp_back, ours_back);
    CheckSums(what);
  }

 private:
  static void Print(const char* name, const Samples& samples, const Samples& ours) {
    std::printf("  %-14s median %.2f s, least %.2f s: %.2f times ours\n", name,
                absl::ToDoubleSeconds(samples.Median()), absl::ToDoubleSeconds(samples.Quantile(0)),
                absl::FDivDuration(samples.Median(), ours.Median()));
  }

  // An empty folder of the guest.
  std::string Fresh(const std::string& name) {
    const std::string path = "/root/" + name;
    ember_.Exec("ssh", {"sh", "-c", "rm -rf \"$0\" && mkdir \"$0\"", path});
    return path;
  }
  // An empty folder of the host.
  std::string Back(const std::string& name) {
    const auto path = dir_ / ("back-" + name);
    std::filesystem::remove_all(path);
    std::filesystem::create_directory(path);
    return path.native();
  }

  void CheckSums(const std::string& what) {
    const auto here = [this, &what](const std::string& folder) {
      ToolOptions sum;
      sum.argv = {"sh", "-c", kSum, (dir_ / folder / what).native()};
      if (std::filesystem::is_regular_file(dir_ / folder / what)) sum.argv.back() = dir_ / folder;
      return ValueOf(RunTool(sum, Limit())).out;
    };
    // A folder that holds nothing but what was copied.
    std::filesystem::create_directory(dir_ / "only");
    std::filesystem::rename(dir_ / what, dir_ / "only" / what);
    const std::string expected = here("only");
    std::filesystem::rename(dir_ / "only" / what, dir_ / what);
    const auto there = [this, &what](const std::string& folder) {
      const std::string path = "/root/" + folder;
      return ember_.Exec("ssh", {"sh", "-c", kSum, what == "big" ? path : path + "/" + what});
    };
    for (const char* folder : {"e", "s", "t"}) CHECK(there(folder) == expected);
    for (const char* folder : {"back-e", "back-s"}) CHECK(here(folder) == expected);
  }

  testing::Installation& ember_;
  const SshGuest& guest_;
  testing::TempDir dir_;
};

TEST_CASE("a large file and 5,000 small ones by ember cp, scp and tar, in turn", "[cp]") {
  if (!testing::PreparedState().has_value()) EMBER_SKIP("EMBER_TEST_STATE is not set");
  if (!SshGuest::IsPossible()) EMBER_SKIP("there is no ssh here");
  testing::Installation ember(testing::Installation::Shape{.log_level = "info"});
  ember.StartDaemon();
  const SshGuest guest(ember);
  Copies copies(ember, guest);
  copies.Compare("big");
  copies.Compare("tree");
}

}  // namespace
}  // namespace ember::bench
