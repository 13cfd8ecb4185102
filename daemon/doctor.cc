#include "daemon/doctor.h"

#include <sys/statvfs.h>
#include <unistd.h>

#include <array>
#include <string_view>

#include "backends/storage/usage.h"
#include "base/size.h"
#include "base/status.h"
#include "base/subprocess.h"

namespace ember::daemon {
namespace {

constexpr uint64_t kLowSpace = 2 * kGiB;

struct Tool {
  std::string_view program;
  std::string_view package;
  std::string_view needed_for;
};
constexpr std::array<Tool, 5> kTools = {{
    {"qemu-img", "qemu-utils", "disks of VMs where the filesystem has no reflinks"},
    {"apt-get", "apt", "'ember kernel add debian' and 'ember image build'"},
    {"dpkg-deb", "dpkg", "'ember kernel add debian' and 'ember image build'"},
    {"mmdebstrap", "mmdebstrap", "'ember image build --from debian:SUITE'"},
    {"e2fsck", "e2fsprogs", "checking images by hand"},
}};

std::string FirstLine(std::string_view text) {
  return std::string(text.substr(0, text.find('\n')));
}

DoctorCheck ExamineTool(const Tool& tool, const Cancellation& cancellation) {
  const auto path = FindProgram(tool.program);
  if (!path.has_value()) {
    return {std::string(tool.program), DoctorVerdict::kWarning,
            fmt::format("not found; needed for {}", tool.needed_for),
            fmt::format("apt install {}", tool.package)};
  }
  // Only a note of the version: a tool that does not know the option is there all the same.
  ToolOptions options;
  options.argv = {path->native(), "--version"};
  const auto result = RunTool(options, cancellation.Within(absl::Seconds(5)));
  const std::string version = result.ok() ? FirstLine(result->out) : "";
  return {std::string(tool.program), DoctorVerdict::kOk, version.empty() ? path->native() : version,
          ""};
}

DoctorCheck ExamineBackend(std::string_view name, hypervisor::Backend& backend,
                           const Cancellation& cancellation) {
  const hypervisor::ProbeResult probe = backend.Probe(cancellation);
  DoctorCheck check{fmt::format("backend {}", name), DoctorVerdict::kOk, probe.finding,
                    probe.remedy};
  if (!probe.usable) {
    check.verdict = DoctorVerdict::kProblem;
  } else if (probe.accelerator == "tcg") {
    check.verdict = DoctorVerdict::kWarning;
  }
  return check;
}

}  // namespace

std::vector<DoctorCheck> Doctor::Examine(const Cancellation& cancellation) const {
  std::vector<DoctorCheck> checks;
  for (const auto& [name, backend] : subject_.backends)
    checks.push_back(ExamineBackend(name, *backend, cancellation));
  for (const Tool& tool : kTools) checks.push_back(ExamineTool(tool, cancellation));
  checks.push_back(ExamineClones());
  checks.push_back(ExamineSpace());
  checks.push_back(ExamineCatalog());
  return checks;
}

DoctorCheck Doctor::ExamineClones() const {
  const auto pool = storage::MeasurePool(subject_.state_dir);
  const std::string filesystem = pool.ok() ? pool->filesystem : "the filesystem";
  const std::string& store = subject_.volume_store;
  if (store == "reflink") {
    return {"clones", DoctorVerdict::kOk,
            fmt::format("reflink: {} clones files, and a disk takes only what is written to it",
                        filesystem),
            ""};
  }
  const std::string why = store == "overlay"
                              ? "disks are qcow2 files over their image"
                              : "every disk is a full copy, since the backend reads raw disks only";
  return {"clones", DoctorVerdict::kWarning,
          fmt::format("{}: {} can't clone files; {}", store, filesystem, why),
          "put the state directory on XFS (reflink=1) or btrfs"};
}

DoctorCheck Doctor::ExamineSpace() const {
  struct statvfs info;
  if (statvfs(subject_.state_dir.c_str(), &info) != 0) {
    return {"disk space", DoctorVerdict::kProblem,
            fmt::format("{} can't be examined", subject_.state_dir.native()), ""};
  }
  const uint64_t free = uint64_t{info.f_bavail} * info.f_frsize;
  const std::string finding =
      fmt::format("{} MiB free at {}", free / kMiB, subject_.state_dir.native());
  if (free >= kLowSpace) return {"disk space", DoctorVerdict::kOk, finding, ""};
  return {"disk space", DoctorVerdict::kWarning, finding,
          "free some space or use another --state-dir"};
}

DoctorCheck Doctor::ExamineCatalog() const {
  const auto kernel = subject_.catalog.GetKernel("");
  if (!kernel.ok()) {
    return {"kernel", DoctorVerdict::kProblem, "no kernel is installed", "ember kernel add debian"};
  }
  const auto images = subject_.catalog.ListImages();
  if (!images.ok() || images->empty()) {
    return {"images", DoctorVerdict::kProblem, "no image is installed",
            "ember image build busybox --from busybox"};
  }
  return {"kernel and images", DoctorVerdict::kOk,
          fmt::format("kernel {}, {} image(s)", kernel->version, images->size()), ""};
}

}  // namespace ember::daemon
