#pragma once

#include <elf.h>
#include <fmt/format.h>

#include <archive.h>
#include <archive_entry.h>

#include <cstring>
#include <string>
#include <vector>

#include "backends/images/host_architecture.h"
#include "base/check.h"

// Kernels and modules that are just right enough: what a real one's headers would say.
namespace ember::testing {

template <typename T>
void AppendRaw(std::string& out, const T& value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

// An ELF file with a PVH note and a version banner.
inline std::string FakeVmlinux(const std::string& release, uint32_t note_type = 18) {
  std::string notes;
  AppendRaw(notes, Elf64_Nhdr{4, 4, note_type});
  notes.append("Xen\0", 4).append("\0\0\0\1", 4);
  Elf64_Ehdr header{};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_machine = images::ThisArchitecture().elf_machine;
  header.e_phoff = sizeof(Elf64_Ehdr);
  header.e_phentsize = sizeof(Elf64_Phdr);
  header.e_phnum = 1;
  Elf64_Phdr program{};
  program.p_type = PT_NOTE;
  program.p_offset = sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr);
  program.p_filesz = notes.size();
  std::string elf;
  AppendRaw(elf, header);
  AppendRaw(elf, program);
  elf += notes;
  elf += "Linux version %s" + std::string(1, '\0') + "Linux version " + release + " (you@host)";
  elf.resize(70'000, '.');
  return elf;
}

inline std::string Compress(const std::string& content, int (*filter)(struct archive*)) {
  std::string out(content.size() + 100'000, '\0');
  size_t used = 0;
  struct archive* writer = archive_write_new();
  archive_write_set_format_raw(writer);
  filter(writer);
  archive_write_set_bytes_in_last_block(writer, 1);
  EMBER_CHECK(archive_write_open_memory(writer, out.data(), out.size(), &used) == ARCHIVE_OK);
  struct archive_entry* entry = archive_entry_new();
  archive_entry_set_filetype(entry, AE_IFREG);
  archive_write_header(writer, entry);
  archive_write_data(writer, content.data(), content.size());
  EMBER_CHECK(archive_write_close(writer) == ARCHIVE_OK);
  archive_entry_free(entry);
  archive_write_free(writer);
  out.resize(used);
  return out;
}

// A bzImage around a compressed vmlinux.
inline std::string FakeBzImage(const std::string& release, const std::string& compressed,
                               uint32_t unpacked_size) {
  std::string image(512 * 3, '\0');
  const auto put = [&image](size_t at, auto value) {
    std::memcpy(image.data() + at, &value, sizeof(value));
  };
  std::memcpy(image.data() + 0x202, "HdrS", 4);
  put(0x1f1, uint8_t{2});
  put(0x206, uint16_t{0x20f});
  put(0x20e, uint16_t{0x100});
  std::memcpy(image.data() + 0x300, release.c_str(), release.size());
  put(0x248, uint32_t{16});
  put(0x24c, static_cast<uint32_t>(compressed.size() + 4));
  image.append(16, '#').append(compressed);
  AppendRaw(image, unpacked_size);
  return image.append(100, '#');
}

// The configuration that a kernel carries with CONFIG_IKCONFIG.
inline std::string EmbeddedConfig(const std::string& text) {
  return "IKCFG_ST" + Compress(text, archive_write_add_filter_gzip) + "IKCFG_ED";
}

// A module that says what it depends on and, unless empty, which kernel it is for.
inline std::string FakeModule(const std::string& depends, const std::string& release = "") {
  std::string info = std::string("license=GPL\0depends=", 20) + depends + '\0';
  if (!release.empty()) info += "vermagic=" + release + " SMP mod_unload " + '\0';
  const std::string names("\0.modinfo\0.shstrtab\0", 20);
  Elf64_Ehdr header{};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_shoff = sizeof(Elf64_Ehdr) + info.size() + names.size();
  header.e_shentsize = sizeof(Elf64_Shdr);
  header.e_shnum = 3;
  header.e_shstrndx = 2;
  Elf64_Shdr modinfo{};
  modinfo.sh_name = 1;
  modinfo.sh_offset = sizeof(Elf64_Ehdr);
  modinfo.sh_size = info.size();
  Elf64_Shdr strings{};
  strings.sh_name = 10;
  strings.sh_offset = sizeof(Elf64_Ehdr) + info.size();
  strings.sh_size = names.size();
  std::string elf;
  AppendRaw(elf, header);
  elf += info + names;
  AppendRaw(elf, Elf64_Shdr{});
  AppendRaw(elf, modinfo);
  AppendRaw(elf, strings);
  return elf;
}

}  // namespace ember::testing
