#include "backends/images/kernel_store.h"

#include <algorithm>
#include <cctype>
#include <optional>
#include <system_error>

#include "backends/images/apt_client.h"
#include "backends/images/deb_package.h"
#include "backends/images/file_digest.h"
#include "backends/images/host_architecture.h"
#include "backends/images/kernel_entry.h"
#include "backends/images/kernel_image.h"
#include "backends/images/kernel_modules.h"
#include "backends/images/staging_dir.h"
#include "backends/images/store_name.h"
#include "base/file.h"
#include "base/status.h"
#include "base/status_macros.h"

namespace ember::images {
namespace {

constexpr std::string_view kDebian = "debian";
constexpr char kDefaultFile[] = "default";

// A kernel file and the modules that belong to it.
struct KernelFiles {
  std::filesystem::path kernel;
  std::filesystem::path modules;  // empty: to be found
  std::string source;             // for the record
};

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

// Unpacks the kernel and the modules of a package to `folder`.
absl::StatusOr<KernelFiles> UnpackKernelPackage(const std::filesystem::path& deb,
                                                const std::filesystem::path& folder,
                                                const Cancellation& cancellation) {
  KernelFiles files;
  const auto wants = [](std::string_view path) {
    if (path.starts_with("boot/vmlinu") || path.ends_with("/modules.builtin")) return true;
    // Of the modules, the folders that hold what CollectModules looks for.
    for (const char* folder : {"/drivers/block/", "/drivers/char/hw_random/", "/drivers/net/",
                               "/drivers/virtio/", "/net/core/", "/net/vmw_vsock/", "/fs/ext4/",
                               "/fs/jbd2/", "/fs/mbcache", "/crypto/", "/lib/"}) {
      if (path.find(std::string("/kernel") + folder) != path.npos) return true;
    }
    return false;
  };
  const auto keep = [&](const std::string& path, const std::string& content) -> absl::Status {
    const std::filesystem::path target = folder / path;
    RETURN_IF_ERROR(MakeDirectories(target.parent_path(), 0755));
    if (path.starts_with("boot/")) files.kernel = target;
    if (target.filename() == "modules.builtin") files.modules = target.parent_path();
    return WriteScratchFile(target, content);
  };
  RETURN_IF_ERROR(ReadDebFiles(deb, wants, keep, cancellation));
  if (files.kernel.empty() || files.modules.empty()) {
    return FailedPrecondition("{}: holds no kernel with modules", deb.native());
  }
  return files;
}

absl::StatusOr<KernelFiles> FetchDebianKernel(const std::filesystem::path& scratch,
                                              const ProgressSink& sink,
                                              const Cancellation& cancellation) {
  AptClient apt(scratch);
  auto deb = apt.DownloadDependency(std::string(ThisArchitecture().kernel_package), "linux-image-",
                                    sink, cancellation);
  if (!deb.ok()) {
    const absl::Status status = Annotate(deb.status(), "Debian's cloud kernel");
    if (HintOf(status).has_value()) return status;
    return WithHint(status, "add a kernel from a file: 'ember kernel add PATH --modules DIR'");
  }
  Report(sink, {"unpacking", deb->package + " " + deb->version});
  ASSIGN_OR_RETURN(KernelFiles files,
                   UnpackKernelPackage(deb->path, scratch / "unpacked", cancellation));
  files.source = "debian:" + deb->package + "=" + deb->version;
  return files;
}

absl::StatusOr<KernelFiles> FindKernelFile(const KernelSource& source) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(source.source, error)) {
    return WithHint(NotFound("kernel file '{}' does not exist or is no file", source.source),
                    "name an existing file, or run 'ember kernel add debian'");
  }
  if (!source.modules.empty() && !std::filesystem::is_directory(source.modules, error)) {
    return NotFound("modules folder '{}' does not exist or is no folder", source.modules.native());
  }
  return KernelFiles{source.source, source.modules, "file:" + source.source};
}

absl::Status TakenName(std::string_view name) {
  return WithHint(AlreadyExists("kernel '{}' exists", name),
                  fmt::format("choose another name, or run 'ember kernel delete {}' first", name));
}

}  // namespace

absl::StatusOr<std::unique_ptr<KernelStore>> KernelStore::Open(std::filesystem::path dir,
                                                               std::filesystem::path agent) {
  RETURN_IF_ERROR(PrepareStoreDir(dir));
  return std::unique_ptr<KernelStore>(new KernelStore(std::move(dir), std::move(agent)));
}

absl::StatusOr<KernelRecord> KernelStore::Add(const KernelSource& source, const ProgressSink& sink,
                                              const Cancellation& cancellation) {
  const bool debian = source.source == kDebian;
  std::string name = source.name.empty() && debian ? std::string(kDebian) : source.name;
  if (!name.empty()) {
    RETURN_IF_ERROR(CheckStoreName("kernel", name));
    if (Read(name).ok()) return TakenName(name);
  }
  RETURN_IF_ERROR(StampAgent(agent_).status());
  ASSIGN_OR_RETURN(const StagingDir scratch, StagingDir::Create(dir_));
  ASSIGN_OR_RETURN(StagingDir entry, StagingDir::Create(dir_));
  ASSIGN_OR_RETURN(KernelFiles files, debian ? FetchDebianKernel(scratch.path(), sink, cancellation)
                                             : FindKernelFile(source));
  Report(sink, {"extracting", files.kernel.filename().native()});
  ASSIGN_OR_RETURN(const KernelVersion version,
                   ExtractKernel(files.kernel, entry.path() / kVmlinuxFile));
  if (name.empty()) name = NameFromVersion(version.release);
  RETURN_IF_ERROR(CheckStoreName("kernel", name));
  if (files.modules.empty()) files.modules = HostModules(version.release);

  std::vector<KernelModule> modules;
  if (!files.modules.empty()) {
    ASSIGN_OR_RETURN(modules, CollectModules(files.modules));
  }
  RETURN_IF_ERROR(cancellation.Check("adding a kernel"));
  Report(sink, {"building", "initramfs"});
  RETURN_IF_ERROR(WriteModules(entry.path(), modules));
  KernelDescription description{version.release, files.source, absl::Now(), {}};
  ASSIGN_OR_RETURN(description.agent, WriteInitramfs(entry.path(), agent_));
  RETURN_IF_ERROR(WriteKernelDescription(entry.path(), description));
  if (absl::Status status = std::move(entry).Commit(name); !status.ok()) {
    return absl::IsAlreadyExists(status) ? TakenName(name) : status;
  }
  if (!ReadFile(dir_ / kDefaultFile).ok()) {
    RETURN_IF_ERROR(WriteFileAtomically(dir_ / kDefaultFile, name, 0644));
  }
  return Get(name);
}

absl::StatusOr<KernelRecord> KernelStore::Read(std::string_view name) const {
  const std::filesystem::path entry = dir_ / name;
  ASSIGN_OR_RETURN(const KernelDescription description, ReadKernelDescription(entry));
  return KernelRecord{std::string(name),
                      description.version,
                      entry / kVmlinuxFile,
                      entry / kInitramfsFile,
                      false,
                      description.created_at};
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
  return WithHint(NotFound("kernel '{}' does not exist", name),
                  "run 'ember kernel list' to see what there is, or 'ember kernel add debian'");
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

absl::Status KernelStore::Delete(std::string_view name) {
  RETURN_IF_ERROR(CheckStoreName("kernel", name));
  ASSIGN_OR_RETURN(std::vector<KernelRecord> kernels, List());
  if (std::erase_if(kernels, [name](const auto& kernel) { return kernel.name == name; }) == 0) {
    return WithHint(NotFound("kernel '{}' does not exist", name),
                    "run 'ember kernel list' to see what there is");
  }
  RETURN_IF_ERROR(RemoveEntry(dir_, name));
  return WriteFileAtomically(dir_ / kDefaultFile, DefaultName(kernels), 0644);
}

}  // namespace ember::images
