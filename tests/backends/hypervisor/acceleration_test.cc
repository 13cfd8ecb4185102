#include "backends/hypervisor/qemu/acceleration.h"

#include <algorithm>
#include <fstream>
#include <thread>

#include "base/file.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace ember::hypervisor {
namespace {

using ember::testing::TempDir;
using ember::testing::ValueOf;

Cancellation Soon() { return Cancellation::After(absl::Seconds(20)); }

// A host whose QEMU is a script; counts how often it was run.
struct Host {
  explicit Host(const std::string& script) {
    std::ofstream(qemu) << "#!/bin/sh\necho run >> " << runs.native() << "\n" << script << "\n";
    std::filesystem::permissions(qemu, std::filesystem::perms::owner_all);
    std::ofstream(device) << "";
    std::ofstream(kernel) << "kernel";
  }

  AccelerationProbe Probe() const {
    AccelerationProbe::Options options;
    options.architecture = ValueOf(ArchitectureNamed("x86_64"));
    options.qemu = qemu;
    options.cache_dir = dir / "cache/kvm";
    options.device = device;
    return AccelerationProbe(options);
  }
  size_t Runs() const {
    const auto text = ReadFile(runs);
    return text.ok() ? static_cast<size_t>(std::count(text->begin(), text->end(), '\n')) : 0;
  }

  TempDir dir;
  std::filesystem::path qemu = dir / "qemu";
  std::filesystem::path runs = dir / "runs";
  std::filesystem::path device = dir / "kvm";
  std::filesystem::path kernel = dir / "vmlinux";
};

constexpr char kBoots[] = "echo 'Kernel panic - not syncing: VFS: Unable to mount root fs on x'";

TEST_CASE("a kernel that comes to its end under KVM proves it, once", "[hypervisor][kvm]") {
  const Host host(kBoots);
  const Acceleration first = host.Probe().Decide(host.kernel, Soon());
  CHECK(first.accelerator == "kvm");
  CHECK(host.Probe().Decide(host.kernel, Soon()) == first);
  // Without a kernel to try, the verdict that is there is taken.
  CHECK(host.Probe().Decide("", Soon()) == first);
  CHECK(host.Runs() == 1);
}

TEST_CASE("another kernel or QEMU is tested anew", "[hypervisor][kvm]") {
  const Host host(kBoots);
  host.Probe().Decide(host.kernel, Soon());
  std::ofstream(host.kernel) << "a newer kernel";
  host.Probe().Decide(host.kernel, Soon());
  CHECK(host.Runs() == 2);
  std::ofstream(host.qemu, std::ios::app) << "# newer\n";
  host.Probe().Decide(host.kernel, Soon());
  CHECK(host.Runs() == 3);
}

TEST_CASE("a guest that hangs under KVM means emulation, found out once", "[hypervisor][kvm]") {
  const Host host("exec sleep 1000");
  const Acceleration verdict = host.Probe().Decide(host.kernel, Soon());
  CHECK(verdict.accelerator == "tcg");
  CHECK(verdict.finding.find("hangs") != std::string::npos);
  CHECK(host.Probe().Decide(host.kernel, Soon()) == verdict);
  CHECK(host.Runs() == 1);
}

TEST_CASE("an early end without the kernel's last words is no proof", "[hypervisor][kvm]") {
  const Host host("echo 'KVM: entry failed, hardware error' >&2; exit 1");
  const Acceleration verdict = host.Probe().Decide(host.kernel, Soon());
  CHECK(verdict.accelerator == "tcg");
  CHECK(verdict.finding.find("KVM: entry failed") != std::string::npos);
}

TEST_CASE("a test that was cut short leaves no verdict", "[hypervisor][kvm]") {
  const Host host("exec sleep 1000");
  const auto hurry = Cancellation::After(absl::Milliseconds(100));
  CHECK(host.Probe().Decide(host.kernel, hurry).accelerator == "tcg");
  CHECK_FALSE(std::filesystem::exists(host.dir / "cache/kvm/kvm-verdict.json"));
}

TEST_CASE("without a kernel KVM is neither tested nor ruled out", "[hypervisor][kvm]") {
  const Host host(kBoots);
  const Acceleration unproven = host.Probe().Decide("", Soon());
  CHECK(unproven.accelerator == "tcg");
  CHECK(unproven.remedy == "ember kernel add debian");
  CHECK(host.Probe().Decide(host.kernel, Soon()).accelerator == "kvm");
}

TEST_CASE("several first callers test once", "[hypervisor][kvm]") {
  const Host host(std::string("sleep 0.2\n") + kBoots);
  // One probe for each caller, as several daemons would have; made here, since Catch's macros work
  // on this thread alone.
  std::vector<AccelerationProbe> probes;
  for (int i = 0; i < 4; ++i) probes.push_back(host.Probe());
  std::vector<std::thread> callers;
  std::atomic<int> agreed{0};
  for (const AccelerationProbe& probe : probes) {
    callers.emplace_back(
        [&] { agreed += probe.Decide(host.kernel, Soon()).accelerator == "kvm" ? 1 : 0; });
  }
  for (std::thread& caller : callers) caller.join();
  CHECK(agreed == 4);
  CHECK(host.Runs() == 1);
}

TEST_CASE("a verdict that can't be read is made anew", "[hypervisor][kvm]") {
  const Host host(kBoots);
  const std::string damage =
      GENERATE(as<std::string>{}, "", "nonsense", "{}", "[]", "{\"key\":1,\"accelerator\":[]}");
  REQUIRE_OK(MakeDirectories(host.dir / "cache/kvm", 0700));
  std::ofstream(host.dir / "cache/kvm/kvm-verdict.json") << damage;
  CHECK(host.Probe().Decide(host.kernel, Soon()).accelerator == "kvm");
}

TEST_CASE("no device means emulation and says what to do", "[hypervisor][kvm]") {
  const Host host(kBoots);
  std::filesystem::remove(host.device);
  const Acceleration verdict = host.Probe().Decide(host.kernel, Soon());
  CHECK(verdict.accelerator == "tcg");
  CHECK(verdict.finding.find("there is no") != std::string::npos);
  CHECK_FALSE(verdict.remedy.empty());
  CHECK(host.Runs() == 0);
}

}  // namespace
}  // namespace ember::hypervisor
