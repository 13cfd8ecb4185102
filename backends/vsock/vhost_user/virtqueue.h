#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backends/vsock/vhost_user/memory_map.h"
#include "backends/vsock/vhost_user/message.h"

namespace ember::vhost_user {

// Feature bits of virtio 1.2 (section 6) and of vhost-user.
inline constexpr uint64_t kFeatureIndirectDescriptors = uint64_t{1} << 28;
inline constexpr uint64_t kFeatureEventIdx = uint64_t{1} << 29;
inline constexpr uint64_t kFeatureProtocolFeatures = uint64_t{1} << 30;
inline constexpr uint64_t kFeatureVersion1 = uint64_t{1} << 32;

// A descriptor as it lies in guest memory (virtio 1.2, section 2.7.5).
struct Descriptor {
  uint64_t address;
  uint32_t length;
  uint16_t flags;
  uint16_t next;
};
static_assert(sizeof(Descriptor) == 16);
inline constexpr uint16_t kDescriptorNext = 1;
inline constexpr uint16_t kDescriptorWrite = 2;
inline constexpr uint16_t kDescriptorIndirect = 4;

// One buffer that the driver made available, as pieces of mapped memory. Kept and filled again and
// again, so that its vectors allocate once.
struct DescriptorChain {
  uint16_t head = 0;
  std::vector<iovec> readable;  // what the driver wrote for us
  std::vector<iovec> writable;  // where we may write
  uint64_t readable_bytes = 0;
  uint64_t writable_bytes = 0;
};

// The device's half of a split virtqueue (virtio 1.2, section 2.7). Buffers are given back in the
// order they were taken, so at rest the next buffer to take has the index of the used ring: that is
// what lets another process go on after this one has died. Whatever lies in guest memory is read
// once and checked; an error means that the driver broke the rules and the queue must not be used
// any more. Borrows the memory map, which outlives it. Not thread-safe.
class Virtqueue {
 public:
  struct Layout {
    uint32_t size = 0;  // entries: a power of 2, up to 32768
    VringAddress address{};
    uint64_t features = 0;  // negotiated
  };

  // InvalidArgument when the size is none or a part of the rings is not in memory or not aligned.
  static absl::StatusOr<Virtqueue> Create(const MemoryMap& memory, const Layout& layout,
                                          uint16_t next_available);

  // The index of the used ring in guest memory, whatever this object has done.
  uint16_t UsedIndexInMemory() const;

  // Takes the next buffer: true and it is in `chain`, false when there is none.
  absl::StatusOr<bool> Pop(DescriptorChain& chain);
  // Puts the last `count` buffers taken back, none of which has been given back to the driver.
  void Unpop(uint16_t count) { next_available_ = static_cast<uint16_t>(next_available_ - count); }
  // Whether a buffer waits.
  bool HasAvailable() const;

  // Stages the return of a buffer with `written` bytes; the driver sees it after Publish.
  void Push(uint16_t head, uint32_t written);
  // Shows the driver what was staged. True when it wants to be called for that.
  bool Publish();

  // Asks the driver for a kick when it makes a buffer available. True when one came in before
  // that took effect, so that the caller has to look again.
  bool EnableKicks();
  void DisableKicks();

  uint16_t next_available() const { return next_available_; }

 private:
  Virtqueue() = default;

  absl::Status Walk(DescriptorChain& chain);
  absl::Status WalkIndirect(const Descriptor& table, DescriptorChain& chain);
  absl::Status Append(const Descriptor& descriptor, DescriptorChain& chain);

  const MemoryMap* memory_ = nullptr;
  uint16_t size_ = 0;
  bool event_idx_ = false;
  bool indirect_ = false;
  char* descriptors_ = nullptr;
  uint16_t* available_ = nullptr;  // flags, index, ring[size], used_event
  uint16_t* used_ = nullptr;       // flags, index, ring[size] of 8 bytes, avail_event

  uint16_t next_available_ = 0;
  uint16_t next_used_ = 0;  // staged
  uint16_t published_ = 0;  // the index as the driver sees it
  bool published_before_ = false;
};

}  // namespace ember::vhost_user
