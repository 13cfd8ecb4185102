#include "backends/images/kernel_image.h"

#include <elf.h>

#include <cctype>
#include <cstring>

#include "backends/images/decompress.h"
#include "backends/images/host_architecture.h"
#include "backends/images/mapped_file.h"
#include "base/file.h"
#include "base/size.h"
#include "base/status.h"
#include "base/status_macros.h"

namespace ember::images {
namespace {

constexpr uint64_t kMaxKernel = 512 * kMiB;
constexpr std::string_view kElfMagic =
    "\x7f"
    "ELF";
constexpr uint32_t kXenPhys32Entry = 18;  // XEN_ELFNOTE_PHYS32_ENTRY: the PVH entry point

// Reads a little-endian number or structure; nothing when it lies outside.
template <typename T>
std::optional<T> ReadAt(std::string_view bytes, uint64_t offset) {
  if (offset > bytes.size() || bytes.size() - offset < sizeof(T)) return std::nullopt;
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

std::string_view Slice(std::string_view bytes, uint64_t offset, uint64_t size) {
  if (offset > bytes.size() || bytes.size() - offset < size) return {};
  return bytes.substr(offset, size);
}

bool IsArm64Image(std::string_view bytes) { return Slice(bytes, 0x38, 4) == "ARM\x64"; }
bool IsElf(std::string_view bytes) { return bytes.starts_with(kElfMagic); }
bool IsBzImage(std::string_view bytes) { return Slice(bytes, 0x202, 4) == "HdrS"; }

uint64_t AlignNote(uint64_t size) { return (size + 3) & ~uint64_t{3}; }

bool NotesHoldPvh(std::string_view notes) {
  for (uint64_t at = 0;;) {
    const auto note = ReadAt<Elf64_Nhdr>(notes, at);
    if (!note.has_value()) return false;
    const uint64_t name_at = at + sizeof(Elf64_Nhdr);
    if (note->n_type == kXenPhys32Entry &&
        Slice(notes, name_at, note->n_namesz) == std::string_view("Xen\0", 4)) {
      return true;
    }
    at = name_at + AlignNote(note->n_namesz) + AlignNote(note->n_descsz);
  }
}

bool HasPvhNote(std::string_view elf, const Elf64_Ehdr& header) {
  for (unsigned i = 0; i < header.e_phnum; ++i) {
    const auto program = ReadAt<Elf64_Phdr>(elf, header.e_phoff + i * sizeof(Elf64_Phdr));
    if (!program.has_value()) return false;
    if (program->p_type == PT_NOTE &&
        NotesHoldPvh(Slice(elf, program->p_offset, program->p_filesz))) {
      return true;
    }
  }
  return false;
}

// The machines that kernels of other hosts are for, as `uname -m` calls them.
std::string MachineName(uint16_t elf_machine) {
  switch (elf_machine) {
    case EM_X86_64:
      return "x86_64";
    case EM_AARCH64:
      return "aarch64";
    case EM_386:
      return "i386";
    case EM_ARM:
      return "arm";
    case EM_RISCV:
      return "riscv";
    case EM_PPC64:
      return "ppc64";
    case EM_S390:
      return "s390x";
    default:
      return fmt::format("machine {}", elf_machine);
  }
}

// Whether an ELF kernel has a PVH entry; an error when it is none for this host.
absl::StatusOr<bool> CheckElf(std::string_view elf) {
  const HostArchitecture& host = ThisArchitecture();
  const auto header = ReadAt<Elf64_Ehdr>(elf, 0);
  if (!header.has_value()) return InvalidArgument("is an ELF file that was cut short");
  if (header->e_machine != host.elf_machine) {
    return InvalidArgument("is a kernel for {}; this host is {}", MachineName(header->e_machine),
                           host.machine);
  }
  if (header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_phentsize != sizeof(Elf64_Phdr)) {
    return InvalidArgument("is an ELF file but not a 64-bit kernel");
  }
  return HasPvhNote(elf, *header);
}

std::string FirstWord(std::string_view text) {
  size_t end = 0;
  while (end < text.size() && end < 128 && std::isgraph(static_cast<unsigned char>(text[end]))) {
    ++end;
  }
  return std::string(text.substr(0, end));
}

// The release in the kernel's banner; empty when there is none.
std::string BannerRelease(std::string_view kernel) {
  constexpr std::string_view kBanner = "Linux version ";
  for (size_t at = kernel.find(kBanner); at != kernel.npos; at = kernel.find(kBanner, at + 1)) {
    std::string word = FirstWord(kernel.substr(at + kBanner.size()));
    if (!word.empty() && std::isdigit(static_cast<unsigned char>(word[0]))) return word;
  }
  return "";
}

absl::StatusOr<std::string> BzImagePayload(std::string_view image) {
  const auto version = ReadAt<uint16_t>(image, 0x206);
  const auto offset = ReadAt<uint32_t>(image, 0x248);
  const auto length = ReadAt<uint32_t>(image, 0x24c);
  if (!offset.has_value() || !length.has_value() || *version < 0x208) {
    return InvalidArgument("has a boot protocol older than 2.08 (kernel 2.6.26 or newer expected)");
  }
  const uint64_t sectors = image[0x1f1] == 0 ? 4 : static_cast<unsigned char>(image[0x1f1]);
  const std::string_view payload = Slice(image, (sectors + 1) * 512 + *offset, *length);
  if (payload.size() <= 4) return InvalidArgument("is a bzImage that was cut short");
  auto kernel = Decompress(payload.substr(0, payload.size() - 4), kMaxKernel);
  if (!kernel.ok()) return Annotate(kernel.status(), "is a damaged bzImage: payload");
  if (kernel->size() < *ReadAt<uint32_t>(payload, payload.size() - 4)) {
    return InvalidArgument("is a damaged bzImage: its payload is incomplete");
  }
  return kernel;
}

std::string BzImageRelease(std::string_view image) {
  const auto at = ReadAt<uint16_t>(image, 0x20e);
  if (!at.has_value() || *at == 0 || *at + uint64_t{0x200} > image.size()) return "";
  return FirstWord(image.substr(*at + uint64_t{0x200}));
}

std::string ReleaseOf(std::string_view file, std::string_view kernel) {
  std::string release = IsBzImage(file) ? BzImageRelease(file) : "";
  return release.empty() ? BannerRelease(kernel) : release;
}

// Fills in what kind of kernel `bytes` are: those of the file, or what was compressed in it.
absl::Status Classify(std::string_view file, std::string_view bytes, KernelImage& kernel) {
  const HostArchitecture& host = ThisArchitecture();
  if (IsArm64Image(bytes)) {
    kernel.format = KernelFormat::kArm64Image;
    if (host.elf_machine == EM_AARCH64) return absl::OkStatus();
    return InvalidArgument("is a kernel for aarch64; this host is {}", host.machine);
  }
  if (!IsElf(bytes)) {
    return InvalidArgument(
        "is no Linux kernel (expected a bzImage, an ELF vmlinux or an arm64 Image)");
  }
  ASSIGN_OR_RETURN(kernel.pvh, CheckElf(bytes));
  if (kernel.pvh || !host.needs_pvh) return absl::OkStatus();
  if (!IsBzImage(file)) {
    return InvalidArgument(
        "is an ELF file without a PVH entry note (a kernel built with CONFIG_PVH=y, or its "
        "bzImage, was expected)");
  }
  kernel.format = KernelFormat::kBzImage;
  return absl::OkStatus();
}

}  // namespace

std::string_view KernelFormatName(KernelFormat format) {
  switch (format) {
    case KernelFormat::kElf:
      return "elf";
    case KernelFormat::kBzImage:
      return "bzImage";
    case KernelFormat::kArm64Image:
      return "arm64-image";
  }
  return "elf";
}

KernelFormat KernelFormatOf(std::string_view name) {
  for (const auto format : {KernelFormat::kBzImage, KernelFormat::kArm64Image}) {
    if (KernelFormatName(format) == name) return format;
  }
  return KernelFormat::kElf;
}

absl::StatusOr<KernelImage> ParseKernel(std::string_view file) {
  KernelImage kernel;
  if (IsBzImage(file)) {
    ASSIGN_OR_RETURN(kernel.unpacked, BzImagePayload(file));
  } else if (!IsElf(file) && !IsArm64Image(file)) {
    // Perhaps a vmlinux or an Image that is compressed as a whole (arm64 distributions).
    if (auto content = Decompress(file, kMaxKernel); content.ok()) {
      kernel.unpacked = *std::move(content);
    }
  }
  const std::string_view bytes = kernel.unpacked.empty() ? file : kernel.unpacked;
  RETURN_IF_ERROR(Classify(file, bytes, kernel));
  kernel.release = ReleaseOf(file, bytes);
  if (kernel.release.empty()) {
    return InvalidArgument("is no Linux kernel (no version banner found in it)");
  }
  kernel.config = KernelConfig::FindIn(bytes);
  if (kernel.format == KernelFormat::kBzImage) kernel.unpacked.clear();
  return kernel;
}

absl::StatusOr<KernelImage> ExtractKernel(const std::filesystem::path& source,
                                          const std::filesystem::path& target) {
  ASSIGN_OR_RETURN(const MappedFile file, MappedFile::Open(source));
  auto kernel = ParseKernel(file.bytes());
  if (!kernel.ok()) return Annotate(kernel.status(), source.native());
  const std::string_view bootable = kernel->unpacked.empty() ? file.bytes() : kernel->unpacked;
  RETURN_IF_ERROR(WriteFileAtomically(target, bootable, 0644));
  kernel->unpacked.clear();
  return kernel;
}

}  // namespace ember::images
