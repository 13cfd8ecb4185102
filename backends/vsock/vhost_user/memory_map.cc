#include "backends/vsock/vhost_user/memory_map.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/status.h"
#include "base/status_macros.h"

namespace ember::vhost_user {
namespace {

bool Overflows(uint64_t address, uint64_t length) { return address + length < address; }

}  // namespace

MemoryMap& MemoryMap::operator=(MemoryMap&& other) noexcept {
  if (this != &other) {
    Unmap();
    regions_ = std::exchange(other.regions_, {});
  }
  return *this;
}

void MemoryMap::Unmap() {
  for (const Region& region : regions_) munmap(region.mapping, region.mapped);
  regions_.clear();
}

absl::StatusOr<MemoryMap> MemoryMap::Create(const std::vector<MemoryRegion>& regions,
                                            const std::vector<UniqueFd>& fds) {
  if (regions.size() != fds.size()) {
    return InvalidArgument("memory table: {} regions with {} descriptors", regions.size(),
                           fds.size());
  }
  MemoryMap map;
  for (size_t i = 0; i < regions.size(); ++i) {
    RETURN_IF_ERROR(map.Add(regions[i], fds[i].get()));
  }
  return map;
}

absl::Status MemoryMap::Add(const MemoryRegion& region, int fd) {
  if (region.size == 0 || Overflows(region.guest_address, region.size) ||
      Overflows(region.user_address, region.size) || Overflows(region.mmap_offset, region.size)) {
    return InvalidArgument("memory table: a region of {} bytes at {:#x} is out of range",
                           region.size, region.guest_address);
  }
  for (const Region& other : regions_) {
    if (region.guest_address < other.guest_address + other.size &&
        other.guest_address < region.guest_address + region.size) {
      return InvalidArgument("memory table: two regions overlap at {:#x}", region.guest_address);
    }
  }
  struct stat file;
  if (fstat(fd, &file) != 0) return ErrnoStatus(errno, "memory table: fstat");
  if (file.st_size < 0 || region.mmap_offset + region.size > static_cast<uint64_t>(file.st_size)) {
    return InvalidArgument("memory table: a region ends at {:#x} of a file of {:#x} bytes",
                           region.mmap_offset + region.size, file.st_size);
  }
  // An offset need not be page-aligned; a mapping has to be (and for huge pages by their size).
  const uint64_t page =
      std::max<uint64_t>(static_cast<uint64_t>(sysconf(_SC_PAGESIZE)), file.st_blksize);
  const uint64_t offset = region.mmap_offset / page * page;
  const uint64_t length = region.mmap_offset - offset + region.size;
  void* mapping =
      mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, static_cast<off_t>(offset));
  if (mapping == MAP_FAILED) return ErrnoStatus(errno, "memory table: mmap");
  char* const bytes = static_cast<char*>(mapping);
  regions_.push_back({region.guest_address, region.size, region.user_address,
                      bytes + (region.mmap_offset - offset), bytes, length});
  return absl::OkStatus();
}

const MemoryMap::Region* MemoryMap::RegionOf(uint64_t address) const {
  for (const Region& region : regions_) {
    if (address - region.guest_address < region.size) return &region;
  }
  return nullptr;
}

char* MemoryMap::FromGuest(uint64_t address, uint64_t length) const {
  const Region* region = RegionOf(address);
  if (region == nullptr) return nullptr;
  const uint64_t offset = address - region->guest_address;
  return length <= region->size - offset ? region->start + offset : nullptr;
}

char* MemoryMap::FromUser(uint64_t address, uint64_t length) const {
  for (const Region& region : regions_) {
    const uint64_t offset = address - region.user_address;
    if (offset < region.size && length <= region.size - offset) return region.start + offset;
  }
  return nullptr;
}

bool MemoryMap::AppendGuestRange(uint64_t address, uint64_t length, std::vector<iovec>& out) const {
  const size_t before = out.size();
  while (length > 0) {
    const Region* region = RegionOf(address);
    if (region == nullptr) {
      out.resize(before);
      return false;
    }
    const uint64_t offset = address - region->guest_address;
    const uint64_t piece = std::min(length, region->size - offset);
    out.push_back({region->start + offset, piece});
    length -= piece;
    address += piece;
    if (length > 0 && address == 0) {  // past the last address
      out.resize(before);
      return false;
    }
  }
  return true;
}

}  // namespace ember::vhost_user
