#include "backends/images/kernel_store.h"

#include <algorithm>
#include <cctype>
#include <optional>
#include <system_error>

#include "backends/images/file_digest.h"
#include "backends/images/kernel_drivers.h"
#include "backends/images/kernel_entry.h"
#include "backends/images/kernel_image.h"
#include "backends/images/kernel_modules.h"
#include "backends/images/staging_dir.h"
#include "backends/images/store_name.h"
#include "base/fault_point.h"
#include "base/file.h"
#include "base/status.h"
#include "base/status_macros.h"

namespace ember::images {
namespace {

constexpr char kDefaultFile[] = "default";

// A name out of a version: what a name may not hold becomes '-'.
std::string NameFromVersion(std::string version) {
  version.resize(std::min(version.size(), size_t{63}));
  for (char& c : version) {
    c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '.' && c != '_') c = '-';
  }
  return version;
}

std::filesystem::path HostModules(const std::string& version) {
  const std::filesystem::path folder = "/lib/modules/" + version;
  std::error_code ignored;
  return std::filesystem::is_directory(folder, ignored) ? folder : std::filesystem::path();
}

absl::Status TakenName(std::string_view name) {
  return WithHint(AlreadyExists("kernel '{}' exists", name),
                  fmt::format("choose another name, or run 'ember kernel delete {}' first", name));
}

absl::Status UnknownName(std::string_view name) {
  return WithHint(NotFound("kernel '{}' does not exist", name),
                  "run 'ember kernel list' to see what there is, or 'ember kernel add debian'");
}

// A module of another kernel is refused by this one, and then the VM hangs without a word.
absl::Status CheckModulesFit(const std::string& kernel, const std::string& modules,
                             const std::filesystem::path& modules_dir) {
  if (modules.empty() || modules == kernel) return absl::OkStatus();
  return WithHint(FailedPrecondition("the modules in {} are for kernel {}, not for {}",
                                     modules_dir.native(), modules, kernel),
                  "name those of this kernel with '--modules DIR' (lib/modules/VERSION)");
}

}  // namespace

absl::StatusOr<std::unique_ptr<KernelStore>> KernelStore::Open(std::filesystem::path dir,
                                                               std::filesystem::path agent) {
  RETURN_IF_ERROR(PrepareStoreDir(dir));
  return std::unique_ptr<KernelStore>(new KernelStore(std::move(dir), std::move(agent)));
}

absl::StatusOr<KernelRecord> KernelStore::Add(const KernelSource& source, const ProgressSink& sink,
                                              const Cancellation& cancellation) {
  RETURN_IF_ERROR(CheckKernelSource(source));
  std::string name = KernelNameOf(source);
  if (!name.empty()) {
    RETURN_IF_ERROR(CheckStoreName("kernel", name));
    if (Read(name).ok()) return TakenName(name);
  }
  RETURN_IF_ERROR(StampAgent(agent_).status());
  ASSIGN_OR_RETURN(const StagingDir scratch, StagingDir::Create(dir_));
  ASSIGN_OR_RETURN(StagingDir entry, StagingDir::Create(dir_));
  ASSIGN_OR_RETURN(const KernelFiles files,
                   GetKernelFiles(source, scratch.path(), sink, cancellation));
  ASSIGN_OR_RETURN(const KernelDescription description, Fill(entry.path(), files, sink));
  if (name.empty()) name = NameFromVersion(description.version);
  RETURN_IF_ERROR(CheckStoreName("kernel", name));
  RETURN_IF_ERROR(cancellation.Check("adding a kernel"));
  CrashPoint("kernel-add/complete");
  RETURN_IF_ERROR(FaultPoint("kernel-add/commit"));
  if (absl::Status status = std::move(entry).Commit(name); !status.ok()) {
    return absl::IsAlreadyExists(status) ? TakenName(name) : status;
  }
  CrashPoint("kernel-add/committed");
  if (ReadFile(dir_ / kDefaultFile).ok()) return Get(name);
  if (absl::Status status = WriteDefault(name); !status.ok()) {
    // What can't be removed shows up in the list, and the error is the one to tell.
    RemoveEntry(dir_, name).IgnoreError();
    return status;
  }
  return Get(name);
}

absl::StatusOr<KernelDescription> KernelStore::Fill(const std::filesystem::path& entry,
                                                    const KernelFiles& files,
                                                    const ProgressSink& sink) const {
  Report(sink, {"extracting", files.kernel.filename().native()});
  ASSIGN_OR_RETURN(const KernelImage kernel, ExtractKernel(files.kernel, entry / kVmlinuxFile));
  const std::filesystem::path modules_dir =
      files.modules.empty() ? HostModules(kernel.release) : files.modules;
  std::optional<CollectedModules> modules;
  if (!modules_dir.empty()) {
    ASSIGN_OR_RETURN(modules, CollectModules(modules_dir));
    RETURN_IF_ERROR(CheckModulesFit(kernel.release, modules->release, modules_dir));
  }
  KernelDescription description{kernel.release,
                                files.source,
                                absl::Now(),
                                {},
                                kernel.format,
                                kernel.pvh,
                                SurveyDrivers(modules, kernel.config)};
  RETURN_IF_ERROR(CheckBootsHere(kernel.format, description.drivers, modules_dir.native()));
  Report(sink, {"building", "initramfs"});
  RETURN_IF_ERROR(
      WriteModules(entry, modules.has_value() ? modules->modules : std::vector<KernelModule>()));
  ASSIGN_OR_RETURN(description.agent, WriteInitramfs(entry, agent_));
  RETURN_IF_ERROR(WriteKernelDescription(entry, description));
  return description;
}

absl::StatusOr<KernelRecord> KernelStore::Read(std::string_view name) const {
  const std::filesystem::path entry = dir_ / name;
  ASSIGN_OR_RETURN(KernelDescription description, ReadKernelDescription(entry));
  KernelRecord record;
  record.name = name;
  record.version = std::move(description.version);
  record.vmlinux = entry / kVmlinuxFile;
  record.initramfs = entry / kInitramfsFile;
  record.created_at = description.created_at;
  record.source = std::move(description.source);
  record.pvh = description.pvh;
  record.missing = MissingFor(description.format, description.drivers);
  record.drivers = std::move(description.drivers);
  return record;
}

absl::Status KernelStore::WriteDefault(std::string_view name) {
  RETURN_IF_ERROR(FaultPoint("kernel-default/write"));
  RETURN_IF_ERROR(WriteFileAtomically(dir_ / kDefaultFile, name, 0644));
  CrashPoint("kernel-default/written");
  return absl::OkStatus();
}

std::string KernelStore::DefaultName(const std::vector<KernelRecord>& kernels) const {
  const auto chosen = ReadFile(dir_ / kDefaultFile);
  const auto oldest =
      std::min_element(kernels.begin(), kernels.end(),
                       [](const auto& a, const auto& b) { return a.created_at < b.created_at; });
  for (const KernelRecord& kernel : kernels) {
    if (chosen.ok() && kernel.name == *chosen) return kernel.name;
  }
  return oldest == kernels.end() ? "" : oldest->name;
}

absl::StatusOr<std::vector<KernelRecord>> KernelStore::List() const {
  std::vector<KernelRecord> kernels;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(dir_, error)) {
    const std::string name = entry.path().filename().native();
    if (!CheckStoreName("kernel", name).ok() || !entry.is_directory(error)) continue;
    auto kernel = Read(name);
    // Deleted while we read the folder.
    if (absl::IsNotFound(kernel.status())) continue;
    if (!kernel.ok()) return kernel.status();
    kernels.push_back(*std::move(kernel));
  }
  if (error) return ErrnoStatus(error.value(), dir_.native());
  std::sort(kernels.begin(), kernels.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  const std::string chosen = DefaultName(kernels);
  for (KernelRecord& kernel : kernels) kernel.is_default = kernel.name == chosen;
  return kernels;
}

absl::StatusOr<KernelRecord> KernelStore::Get(std::string_view name) const {
  ASSIGN_OR_RETURN(const std::vector<KernelRecord> kernels, List());
  for (const KernelRecord& kernel : kernels) {
    if (kernel.name != name) continue;
    RETURN_IF_ERROR(Refresh(name));
    return kernel;
  }
  return UnknownName(name);
}

absl::StatusOr<KernelRecord> KernelStore::Default() const {
  ASSIGN_OR_RETURN(const std::vector<KernelRecord> kernels, List());
  for (const KernelRecord& kernel : kernels) {
    if (!kernel.is_default) continue;
    RETURN_IF_ERROR(Refresh(kernel.name));
    return kernel;
  }
  return WithHint(NotFound("there is no kernel yet"), "run 'ember kernel add debian'");
}

absl::Status KernelStore::Refresh(std::string_view name) const {
  const std::filesystem::path entry = dir_ / name;
  ASSIGN_OR_RETURN(KernelDescription description, ReadKernelDescription(entry));
  auto now = StampAgent(agent_);
  // Between two installations of the program: what was built before still works.
  if (absl::IsNotFound(now.status())) return absl::OkStatus();
  if (!now.ok()) return now.status();
  now->digest = description.agent.digest;
  if (*now == description.agent) return absl::OkStatus();
  ASSIGN_OR_RETURN(now->digest, DigestFile(agent_, {}, {}));
  if (now->digest == description.agent.digest) {
    description.agent = *now;
  } else {
    ASSIGN_OR_RETURN(description.agent, WriteInitramfs(entry, agent_));
  }
  return WriteKernelDescription(entry, description);
}

absl::StatusOr<KernelRecord> KernelStore::SetDefault(std::string_view name) {
  RETURN_IF_ERROR(Get(name).status());
  RETURN_IF_ERROR(WriteDefault(name));
  return Get(name);
}

absl::Status KernelStore::Delete(std::string_view name) {
  RETURN_IF_ERROR(CheckStoreName("kernel", name));
  ASSIGN_OR_RETURN(std::vector<KernelRecord> kernels, List());
  if (std::erase_if(kernels, [name](const auto& kernel) { return kernel.name == name; }) == 0) {
    return UnknownName(name);
  }
  RETURN_IF_ERROR(FaultPoint("kernel-delete/remove"));
  RETURN_IF_ERROR(RemoveEntry(dir_, name));
  CrashPoint("kernel-delete/removed");
  // A name that is no kernel's counts as none, so that a crash before this leaves no harm.
  return WriteDefault(DefaultName(kernels));
}

}  // namespace ember::images
