#include "backends/images/initramfs.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <cstdint>
#include <iterator>

namespace ember::images {
namespace {

// What an entry of the archive is, without its content.
struct CpioEntry {
  std::string name;
  uint32_t mode = 0;
  uint32_t device_major = 0;
  uint32_t device_minor = 0;
};

// Writes newc entries to a string. Every number is eight upper-case hex digits; name and content
// are padded to four bytes. One archive per writer.
class CpioWriter {
 public:
  void Add(const CpioEntry& entry, std::string_view content = {}) {
    const uint32_t links = S_ISDIR(entry.mode) ? 2 : 1;
    // magic, inode, mode, uid, gid, links, mtime, size, device, device number, name size, check
    fmt::format_to(std::back_inserter(bytes_),
                   "070701{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}"
                   "{:08X}",
                   next_inode_++, entry.mode, 0, 0, links, 0, content.size(), 0, 0,
                   entry.device_major, entry.device_minor, entry.name.size() + 1, 0);
    bytes_.append(entry.name).push_back('\0');
    Pad();
    bytes_.append(content);
    Pad();
  }

  std::string Finish() && {
    Add({"TRAILER!!!"});
    return std::move(bytes_);
  }

 private:
  void Pad() { bytes_.resize((bytes_.size() + 3) & ~size_t{3}, '\0'); }

  std::string bytes_;
  uint32_t next_inode_ = 1;
};

}  // namespace

std::string BuildInitramfs(std::string_view init, const std::vector<KernelModule>& modules) {
  CpioWriter cpio;
  for (const char* folder : {"dev", "proc", "sys", "run", "newroot", "modules"}) {
    cpio.Add({folder, S_IFDIR | 0755});
  }
  cpio.Add({"dev/console", S_IFCHR | 0600, 5, 1});
  cpio.Add({"init", S_IFREG | 0755}, init);
  std::string order;
  for (const KernelModule& module : modules) {
    const std::string file = module.name + ".ko";
    cpio.Add({"modules/" + file, S_IFREG | 0644}, module.content);
    order += file + "\n";
  }
  cpio.Add({"modules/order", S_IFREG | 0644}, order);
  return std::move(cpio).Finish();
}

}  // namespace ember::images
