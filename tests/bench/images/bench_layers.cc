// Layers to an ext4 disk: Ember's one pass against what one would type instead, `umoci unpack` and
// `mke2fs -d`, in turns in one run. As root, since umoci gives files their owners only then.

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <functional>

#include "absl/time/clock.h"
#include "backends/images/oci/layers.h"
#include "backends/images/oci/manifest.h"
#include "base/file.h"
#include "base/size.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "base/subprocess.h"
#include "tests/bench/images/layer_maker.h"
#include "tests/support/temp_dir.h"

namespace ember::bench {
namespace {

constexpr int kRounds = 3;
Cancellation Limit() { return Cancellation::After(absl::Minutes(30)); }

absl::StatusOr<double> Seconds(const std::function<absl::Status()>& act) {
  const absl::Time start = absl::Now();
  RETURN_IF_ERROR(act());
  return absl::ToDoubleSeconds(absl::Now() - start);
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// What the child does: a process of its own, so that its memory can be told.
absl::Status WriteDisk(const std::filesystem::path& store_dir, const std::string& digest,
                       const std::filesystem::path& disk) {
  ASSIGN_OR_RETURN(const images::BlobStore store, images::BlobStore::Open(store_dir));
  ASSIGN_OR_RETURN(const images::OciImage image, images::ReadOciImage(store, digest));
  RETURN_IF_ERROR(
      images::WriteRootfs(images::LayersRootfs(store, image), disk, {}, {}, Limit()).status());
  struct rusage usage {};
  getrusage(RUSAGE_SELF, &usage);
  std::printf("%ld\n", usage.ru_maxrss);
  return absl::OkStatus();
}

struct Round {
  double ours = 0;
  double unpack = 0;
  double mke2fs = 0;
  long peak_kib = 0;
};

class Comparison {
 public:
  Comparison(std::filesystem::path dir, uint64_t bytes) : dir_(std::move(dir)), bytes_(bytes) {}

  absl::Status Prepare() {
    ASSIGN_OR_RETURN(const images::BlobStore store, images::BlobStore::Open(dir_));
    ASSIGN_OR_RETURN(const images::OciImage image, MakeImage(store, dir_, bytes_));
    digest_ = image.manifest_digest;
    ASSIGN_OR_RETURN(const std::string manifest, store.Read(digest_, images::kMaxManifestBytes));
    // The store is an OCI layout but for these.
    const std::string index =
        images::IndexToJson({std::string(images::kOciManifest), digest_, manifest.size()}, "x");
    RETURN_IF_ERROR(WriteFileAtomically(dir_ / "index.json", index, 0644));
    return WriteFileAtomically(dir_ / "oci-layout", R"({"imageLayoutVersion":"1.0.0"})", 0644);
  }

  absl::StatusOr<Round> Run() {
    Round round;
    std::string peak;
    ASSIGN_OR_RETURN(round.ours, Seconds([&]() -> absl::Status {
                       ASSIGN_OR_RETURN(peak, RunToolForOutput({"/proc/self/exe", "disk", dir_,
                                                                digest_, dir_ / "ours.ext4"},
                                                               Limit()));
                       return absl::OkStatus();
                     }));
    round.peak_kib = std::stol(peak);
    const std::filesystem::path bundle = dir_ / "bundle";
    ASSIGN_OR_RETURN(round.unpack, Seconds([&] {
                       return RunToolForOutput(
                                  {"umoci", "unpack", "--image", dir_.native() + ":x", bundle},
                                  Limit())
                           .status();
                     }));
    const std::string size = fmt::format("{}M", (bytes_ + bytes_ / 4) / kMiB + 128);
    ASSIGN_OR_RETURN(round.mke2fs, Seconds([&] {
                       return RunToolForOutput({"mke2fs", "-q", "-t", "ext4", "-d",
                                                bundle / "rootfs", dir_ / "theirs.ext4", size},
                                               Limit())
                           .status();
                     }));
    RETURN_IF_ERROR(RunToolForOutput({"e2fsck", "-fn", dir_ / "ours.ext4"}, Limit()).status());
    for (const char* name : {"ours.ext4", "theirs.ext4", "bundle"}) {
      RETURN_IF_ERROR(RemoveTree(dir_ / name));
    }
    return round;
  }

 private:
  const std::filesystem::path dir_;
  const uint64_t bytes_;
  std::string digest_;
};

absl::Status Compare(uint64_t bytes) {
  testing::TempDir dir;
  Comparison comparison(dir.path(), bytes);
  RETURN_IF_ERROR(comparison.Prepare());
  std::vector<double> ours, unpack, mke2fs, ratio;
  long peak = 0;
  for (int i = 0; i < kRounds; ++i) {
    ASSIGN_OR_RETURN(const Round round, comparison.Run());
    ours.push_back(round.ours);
    unpack.push_back(round.unpack);
    mke2fs.push_back(round.mke2fs);
    ratio.push_back((round.unpack + round.mke2fs) / round.ours);
    peak = std::max(peak, round.peak_kib);
  }
  std::printf("| %4lu MB | %6.2f s | %6.2f s | %6.2f s | %5.1f x | %4ld MB |\n",
              static_cast<unsigned long>(bytes / 1'000'000), Median(ours), Median(unpack),
              Median(mke2fs), Median(ratio), peak / 1024);
  std::fflush(stdout);
  return absl::OkStatus();
}

absl::Status Run() {
  std::printf(
      "| image | ember | umoci unpack | mke2fs -d | ratio | ember's peak memory |\n"
      "|---|---|---|---|---|---|\n");
  for (const uint64_t megabytes : {150, 500}) RETURN_IF_ERROR(Compare(megabytes * 1'000'000));
  return absl::OkStatus();
}

}  // namespace
}  // namespace ember::bench

int main(int argc, char** argv) {
  const bool child = argc == 5 && std::string_view(argv[1]) == "disk";
  const absl::Status status =
      child ? ember::bench::WriteDisk(argv[2], argv[3], argv[4]) : ember::bench::Run();
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
