#include "backends/images/kernel_modules.h"

#include <elf.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "backends/images/decompress.h"
#include "base/file.h"
#include "base/size.h"
#include "base/status.h"
#include "base/status_macros.h"

namespace ember::images {
namespace {

constexpr uint64_t kMaxModule = 64 * kMiB;

// The transports first, then what a boot waits for.
constexpr std::string_view kWanted[] = {
    "virtio_ring",
    "virtio",
    "virtio_pci_modern_dev",
    "virtio_pci_legacy_dev",
    "virtio_pci",
    "virtio_mmio",
    "vsock",
    "vmw_vsock_virtio_transport_common",
    "vmw_vsock_virtio_transport",
    "virtio_blk",
    "crc32c_generic",  // ext4 asks for it by its algorithm, not by a dependency
    "ext4",
    "failover",
    "net_failover",
    "virtio_net",
    "rng_core",
    "virtio_rng",
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
    collector.builtin_known_ = builtin.ok();
    if (collector.files_.empty() && collector.builtin_.empty()) {
      return FailedPrecondition("{}: holds neither kernel modules nor modules.builtin",
                                modules_dir.native());
    }
    return collector;
  }

  absl::Status Want(std::string_view wanted) {
    const std::string name(wanted);
    return files_.contains(name) ? Visit(name) : absl::OkStatus();
  }

  CollectedModules Take() && {
    return {std::move(order_), std::move(builtin_), builtin_known_, std::move(release_)};
  }

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
      // Where nothing tells what is built in, this may be.
      if (builtin_.contains(name) || !builtin_known_) return absl::OkStatus();
      return FailedPrecondition("a module depends on '{}', which is not in {}", name,
                                modules_dir_.native());
    }
    ASSIGN_OR_RETURN(std::string content, LoadModule(file->second));
    const auto facts = ReadModuleFacts(content);
    if (!facts.ok()) return Annotate(facts.status(), file->second.native());
    if (release_.empty()) release_ = facts->release;
    for (const std::string& dependency : facts->depends) RETURN_IF_ERROR(Visit(dependency));
    order_.push_back({name, std::move(content)});
    return absl::OkStatus();
  }

  std::filesystem::path modules_dir_;
  std::map<std::string, std::filesystem::path> files_;
  std::set<std::string> builtin_;
  bool builtin_known_ = false;
  std::string release_;
  std::set<std::string> seen_;
  std::vector<KernelModule> order_;
};

}  // namespace

absl::StatusOr<ModuleFacts> ReadModuleFacts(std::string_view module) {
  const std::string_view section = NamedSection(module, ".modinfo");
  if (section.empty()) return InvalidArgument("is no kernel module");
  const absl::string_view strings(section.data(), section.size());
  ModuleFacts facts;
  for (const absl::string_view word : absl::StrSplit(strings, '\0')) {
    if (absl::StartsWith(word, "depends=")) {
      facts.depends = absl::StrSplit(word.substr(8), ',', absl::SkipEmpty());
    } else if (absl::StartsWith(word, "vermagic=")) {
      // "6.1.0-40-cloud-amd64 SMP preempt mod_unload modversions"
      const absl::string_view magic = word.substr(9);
      facts.release = std::string(magic.substr(0, magic.find(' ')));
    }
  }
  for (std::string& name : facts.depends) std::replace(name.begin(), name.end(), '-', '_');
  return facts;
}

absl::StatusOr<CollectedModules> CollectModules(const std::filesystem::path& modules_dir) {
  ASSIGN_OR_RETURN(ModuleCollector collector, ModuleCollector::Open(modules_dir));
  for (const std::string_view wanted : kWanted) RETURN_IF_ERROR(collector.Want(wanted));
  return std::move(collector).Take();
}

}  // namespace ember::images
