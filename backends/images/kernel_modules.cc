#include "backends/images/kernel_modules.h"

#include <elf.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <system_error>

#include "absl/strings/str_split.h"
#include "backends/images/decompress.h"
#include "base/file.h"
#include "base/size.h"
#include "base/status.h"
#include "base/status_macros.h"

namespace ember::images {
namespace {

constexpr uint64_t kMaxModule = 64 * kMiB;

enum class Need { kEssential, kUseful };

struct WantedModule {
  std::string_view name;
  Need need;
};

// The transports first, then what a boot waits for. A transport that is missing is not fatal by
// itself: which one is used depends on the machine.
constexpr WantedModule kWanted[] = {
    {"virtio_ring", Need::kUseful},
    {"virtio", Need::kUseful},
    {"virtio_pci_modern_dev", Need::kUseful},
    {"virtio_pci_legacy_dev", Need::kUseful},
    {"virtio_pci", Need::kUseful},
    {"virtio_mmio", Need::kUseful},
    {"vsock", Need::kEssential},
    {"vmw_vsock_virtio_transport_common", Need::kEssential},
    {"vmw_vsock_virtio_transport", Need::kEssential},
    {"virtio_blk", Need::kEssential},
    {"crc32c_generic", Need::kUseful},  // ext4 asks for it by its algorithm, not by a dependency
    {"ext4", Need::kEssential},
    {"failover", Need::kUseful},
    {"net_failover", Need::kUseful},
    {"virtio_net", Need::kUseful},
    {"rng_core", Need::kUseful},
    {"virtio_rng", Need::kUseful},
};

// "kernel/drivers/char/hw_random/virtio-rng.ko.xz" is module "virtio_rng"; nothing when it is no
// module.
std::optional<std::string> ModuleName(std::string_view path) {
  std::string name(path.substr(path.rfind('/') + 1));
  const size_t end = name.find(".ko");
  const bool plain = end != name.npos && end + 3 == name.size();
  if (!plain && (end == name.npos || name[end + 3] != '.')) return std::nullopt;
  name.resize(end);
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

template <typename T>
std::optional<T> ReadAt(std::string_view bytes, uint64_t offset) {
  if (offset > bytes.size() || bytes.size() - offset < sizeof(T)) return std::nullopt;
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

std::string_view Section(std::string_view elf, const Elf64_Shdr& header) {
  if (header.sh_offset > elf.size() || elf.size() - header.sh_offset < header.sh_size) return {};
  return elf.substr(header.sh_offset, header.sh_size);
}

// The bytes of an ELF file's section of that name; empty when it has none.
std::string_view NamedSection(std::string_view elf, std::string_view name) {
  const auto header = ReadAt<Elf64_Ehdr>(elf, 0);
  if (!header.has_value() || header->e_ident[EI_CLASS] != ELFCLASS64) return {};
  const auto section_at = [&](uint64_t index) {
    return ReadAt<Elf64_Shdr>(elf, header->e_shoff + index * sizeof(Elf64_Shdr));
  };
  const auto names_header = section_at(header->e_shstrndx);
  if (!names_header.has_value()) return {};
  const std::string_view names = Section(elf, *names_header);
  for (uint64_t i = 0; i < header->e_shnum; ++i) {
    const auto section = section_at(i);
    if (!section.has_value() || section->sh_name >= names.size()) continue;
    std::string_view found = names.substr(section->sh_name);
    if (found.substr(0, found.find('\0')) == name) return Section(elf, *section);
  }
  return {};
}

// The names in "depends=a,b" of the module's .modinfo section.
absl::StatusOr<std::vector<std::string>> DependenciesOf(std::string_view module) {
  const std::string_view section = NamedSection(module, ".modinfo");
  if (section.empty()) return InvalidArgument("is no kernel module");
  const absl::string_view strings(section.data(), section.size());
  std::vector<std::string> names;
  for (const absl::string_view word : absl::StrSplit(strings, '\0')) {
    if (word.substr(0, 8) != "depends=") continue;
    names = absl::StrSplit(word.substr(8), ',', absl::SkipEmpty());
  }
  for (std::string& name : names) std::replace(name.begin(), name.end(), '-', '_');
  return names;
}

absl::StatusOr<std::string> LoadModule(const std::filesystem::path& path) {
  ASSIGN_OR_RETURN(std::string content, ReadFile(path));
  if (path.extension() == ".ko") return content;
  auto plain = Decompress(content, kMaxModule);
  if (!plain.ok()) return Annotate(plain.status(), path.native());
  return plain;
}

// Depth first through the dependencies, so that each comes before what needs it.
class ModuleCollector {
 public:
  static absl::StatusOr<ModuleCollector> Open(const std::filesystem::path& modules_dir) {
    ModuleCollector collector(modules_dir);
    std::error_code error;
    std::filesystem::recursive_directory_iterator walk(modules_dir, error);
    for (; !error && walk != std::filesystem::recursive_directory_iterator();
         walk.increment(error)) {
      const auto name = ModuleName(walk->path().native());
      if (name.has_value() && walk->is_regular_file(error)) collector.files_[*name] = walk->path();
    }
    if (error) return ErrnoStatus(error.value(), modules_dir.native());
    auto builtin = ReadFile(modules_dir / "modules.builtin");
    if (!builtin.ok() && !absl::IsNotFound(builtin.status())) return builtin.status();
    if (builtin.ok()) collector.ReadBuiltin(*builtin);
    if (collector.files_.empty() && collector.builtin_.empty()) {
      return FailedPrecondition("{}: holds neither kernel modules nor modules.builtin",
                                modules_dir.native());
    }
    return collector;
  }

  absl::Status Want(const WantedModule& wanted) {
    const std::string name(wanted.name);
    if (files_.contains(name)) return Visit(name);
    if (wanted.need == Need::kUseful || builtin_.contains(name)) return absl::OkStatus();
    return FailedPrecondition(
        "the kernel has no driver '{}', without which no VM starts: it is neither built in nor a "
        "module in {}",
        name, modules_dir_.native());
  }

  std::vector<KernelModule> Take() && { return std::move(order_); }

 private:
  explicit ModuleCollector(std::filesystem::path modules_dir)
      : modules_dir_(std::move(modules_dir)) {}

  void ReadBuiltin(const std::string& list) {
    for (const absl::string_view line : absl::StrSplit(list, '\n', absl::SkipEmpty())) {
      const auto name = ModuleName({line.data(), line.size()});
      if (name.has_value()) builtin_.insert(*name);
    }
  }

  absl::Status Visit(const std::string& name) {
    // Marked before its dependencies are, so that a cycle ends.
    if (!seen_.insert(name).second) return absl::OkStatus();
    const auto file = files_.find(name);
    if (file == files_.end()) {
      if (builtin_.contains(name)) return absl::OkStatus();
      return FailedPrecondition("a module depends on '{}', which is not in {}", name,
                                modules_dir_.native());
    }
    ASSIGN_OR_RETURN(std::string content, LoadModule(file->second));
    const auto dependencies = DependenciesOf(content);
    if (!dependencies.ok()) return Annotate(dependencies.status(), file->second.native());
    for (const std::string& dependency : *dependencies) RETURN_IF_ERROR(Visit(dependency));
    order_.push_back({name, std::move(content)});
    return absl::OkStatus();
  }

  std::filesystem::path modules_dir_;
  std::map<std::string, std::filesystem::path> files_;
  std::set<std::string> builtin_;
  std::set<std::string> seen_;
  std::vector<KernelModule> order_;
};

}  // namespace

absl::StatusOr<std::vector<KernelModule>> CollectModules(const std::filesystem::path& modules_dir) {
  ASSIGN_OR_RETURN(ModuleCollector collector, ModuleCollector::Open(modules_dir));
  for (const WantedModule& wanted : kWanted) RETURN_IF_ERROR(collector.Want(wanted));
  return std::move(collector).Take();
}

}  // namespace ember::images
