#pragma once

#include <sys/uio.h>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backends/vsock/vhost_user/message.h"
#include "base/unique_fd.h"

namespace ember::vhost_user {

// The guest's memory as it is mapped here. Every address that a guest or a front-end names goes
// through it, and it hands out nothing outside the mappings. Unmaps when it is destroyed. The guest
// changes what is mapped at any time: read a value once, then check the copy. Not thread-safe.
class MemoryMap {
 public:
  MemoryMap() = default;
  MemoryMap(MemoryMap&& other) noexcept : regions_(std::move(other.regions_)) {
    other.regions_.clear();
  }
  MemoryMap& operator=(MemoryMap&& other) noexcept;
  ~MemoryMap() { Unmap(); }

  // Maps each region of its descriptor (shared, read and write). InvalidArgument when a region is
  // empty, overflows, overlaps another in the guest's addresses, or lies outside its file: touching
  // that would be SIGBUS.
  static absl::StatusOr<MemoryMap> Create(const std::vector<MemoryRegion>& regions,
                                          const std::vector<UniqueFd>& fds);

  bool empty() const { return regions_.empty(); }

  // Where `length` bytes at guest address `address` are, within one region; null when they are not
  // all there.
  char* FromGuest(uint64_t address, uint64_t length) const;
  // The same for an address of the front-end's process.
  char* FromUser(uint64_t address, uint64_t length) const;

  // Appends the pieces of a guest range that may go on from one region into the next one. False,
  // with `out` as it was, when a part of it is not there.
  bool AppendGuestRange(uint64_t address, uint64_t length, std::vector<iovec>& out) const;

 private:
  struct Region {
    uint64_t guest_address;
    uint64_t size;
    uint64_t user_address;
    char* start;      // of the region
    char* mapping;    // what munmap takes: page-aligned
    uint64_t mapped;  // bytes
  };

  absl::Status Add(const MemoryRegion& region, int fd);
  const Region* RegionOf(uint64_t address) const;
  void Unmap();

  std::vector<Region> regions_;
};

}  // namespace ember::vhost_user
