// What a fork costs: of a VM that is off, by file system and size of its disk; of one that runs,
// the time that it stands still.
#include <sys/statvfs.h>
#include <unistd.h>

#include <cstdio>
#include <optional>
#include <string>

#include <grpcpp/grpcpp.h>

#include "base/size.h"
#include "ember/v1/storage_service.grpc.pb.h"
#include "tests/bench/host/samples.h"
#include "tests/e2e/installation.h"
#include "tests/support/catch.h"
#include "tests/support/loop_filesystem.h"
#include "tests/support/status_matchers.h"

namespace ember::bench {
namespace {

Cancellation Soon() { return Cancellation::After(absl::Seconds(120)); }

// An installation on a file system of its own, with the prepared kernel and image.
class Ground {
 public:
  explicit Ground(const std::string& type) : filesystem_(type, 24 * kGiB) {
    if (!filesystem_.mounted()) return;
    const std::filesystem::path state = filesystem_.root() / "state";
    std::filesystem::create_directory(state);
    for (const char* part : {"kernels", "images"}) {
      REQUIRE_OK(RunToolForOutput(
          {"cp", "-a", "--sparse=always", *testing::PreparedState() / part, state}, Soon()));
    }
    ember_.emplace(testing::Installation::Shape{.log_level = "info", .state_dir = state});
    ember_->StartDaemon();
    channel_ = grpc::CreateChannel("unix:" + (state / "emberhostd.sock").native(),
                                   grpc::InsecureChannelCredentials());
    stub_ = v1::StorageService::NewStub(channel_);
  }
  ~Ground() { ember_.reset(); }

  bool usable() const { return filesystem_.mounted(); }
  const std::string& why_not() const { return filesystem_.why_not(); }
  testing::Installation& ember() { return *ember_; }

  // A VM that was never started, with 64 MiB of its own on its disk.
  void MakeSource(const std::string& name, const std::string& disk_size) {
    ember_->EmberOk({"vm", "create", name, "--image", "busybox", "--memory", "128M", "--disk",
                     disk_size, "--no-start", "--quiet"});
    const std::string disk = ember_->Json({"vm", "inspect", name})["disk_path"];
    const std::string format = disk.ends_with(".qcow2") ? "qcow2" : "raw";
    REQUIRE_OK(
        RunToolForOutput({"qemu-io", "-f", format, "-c", "write -q -P 7 1G 64M", disk}, Soon()));
  }

  v1::ForkVmResponse Fork(const std::string& source, const std::string& name) {
    v1::ForkVmRequest request;
    request.set_source(source);
    request.set_name(name);
    request.set_no_start(true);
    grpc::ClientContext context;
    v1::ForkVmResponse response;
    const grpc::Status status = stub_->ForkVm(&context, request, &response);
    INFO(status.error_message());
    REQUIRE(status.ok());
    return response;
  }

  uint64_t UsedBytes() const {
    ::sync();
    struct statvfs info;
    REQUIRE(statvfs(filesystem_.root().c_str(), &info) == 0);
    return (info.f_blocks - info.f_bfree) * info.f_frsize;
  }

 private:
  testing::LoopFilesystem filesystem_;
  std::optional<testing::Installation> ember_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::StorageService::Stub> stub_;
};

double Milliseconds(absl::Duration time) { return absl::ToDoubleMilliseconds(time); }

void MeasureOff(const std::string& type, const std::string& disk_size) {
  constexpr int kForks = 100;
  Ground ground(type);
  if (!ground.usable()) {
    std::printf("%-6s %-5s skipped: %s\n", type.c_str(), disk_size.c_str(),
                ground.why_not().c_str());
    return;
  }
  ground.MakeSource("source", disk_size);
  const uint64_t before = ground.UsedBytes();
  Samples times;
  for (int i = 0; i < kForks; ++i) {
    times.Add(TimeOf([&] { ground.Fork("source", fmt::format("fork-{}", i)); }));
  }
  const uint64_t used = ground.UsedBytes() - before;
  std::printf("%-6s %-5s %8.2f %8.2f %8.2f %10.2f\n", type.c_str(), disk_size.c_str(),
              Milliseconds(times.Median()), Milliseconds(times.Quantile(0.99)),
              Milliseconds(times.Quantile(0)), static_cast<double>(used) / kMiB);
}

void MeasureRunning(const std::string& type) {
  constexpr int kForks = 10;
  Ground ground(type);
  if (!ground.usable()) {
    std::printf("%-6s skipped: %s\n", type.c_str(), ground.why_not().c_str());
    return;
  }
  testing::Installation& ember = ground.ember();
  ember.CreateVm("source");
  // A guest that writes all the while.
  ember.EmberOk({"exec", "source", "--detach", "--", "sh", "-c",
                 "while true; do dd if=/dev/urandom of=/root/noise bs=64k count=64; sync; done"});
  Samples totals, frozen;
  for (int i = 0; i < kForks; ++i) {
    v1::ForkVmResponse response;
    totals.Add(TimeOf([&] { response = ground.Fork("source", fmt::format("fork-{}", i)); }));
    frozen.Add(absl::Seconds(response.frozen().seconds()) +
               absl::Nanoseconds(response.frozen().nanos()));
  }
  std::printf("%-6s %9.2f %9.2f %9.2f %9.2f\n", type.c_str(), Milliseconds(frozen.Median()),
              Milliseconds(frozen.Quantile(1)), Milliseconds(totals.Median()),
              Milliseconds(totals.Quantile(1)));
}

TEST_CASE("a fork of a VM that is off", "[fork][off]") {
  if (!testing::PreparedState().has_value()) EMBER_SKIP("EMBER_TEST_STATE is not set");
  std::printf(
      "fork of a VM that is off, from call to created; 100 forks, ms and MiB\n"
      "fs     disk       p50      p99    least   used by all\n");
  for (const std::string type : {"xfs", "btrfs", "ext4"}) {
    for (const std::string size : {"2G", "8G", "64G"}) MeasureOff(type, size);
  }
}

TEST_CASE("a fork of a VM that runs and writes", "[fork][running]") {
  if (!testing::PreparedState().has_value()) EMBER_SKIP("EMBER_TEST_STATE is not set");
  std::printf(
      "fork of a VM that runs and writes, to created; ms\n"
      "fs        frozen      most     total      most\n");
  for (const std::string type : {"xfs", "btrfs", "ext4"}) MeasureRunning(type);
}

}  // namespace
}  // namespace ember::bench
