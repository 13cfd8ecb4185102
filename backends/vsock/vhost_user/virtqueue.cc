#include "backends/vsock/vhost_user/virtqueue.h"

#include <atomic>
#include <bit>
#include <cstring>

#include "base/status.h"
#include "base/status_macros.h"

namespace ember::vhost_user {
namespace {

constexpr uint32_t kMaxQueueSize = 32768;
// A packet needs a few dozen pieces at the most; a longer table would only buy the guest our time.
constexpr uint32_t kMaxIndirect = 1024;
// Positions of 16-bit words.
constexpr size_t kFlags = 0;
constexpr size_t kIndex = 1;
constexpr size_t kRing = 2;
constexpr uint16_t kNoInterrupt = 1;  // of the available ring's flags
constexpr uint16_t kNoNotify = 1;     // of the used ring's flags

struct UsedElement {
  uint32_t id;
  uint32_t length;
};

// The driver runs at the same time on the same memory: every access is atomic.
uint16_t Load(uint16_t* word, std::memory_order order) {
  return std::atomic_ref<uint16_t>(*word).load(order);
}
void Store(uint16_t* word, uint16_t value, std::memory_order order) {
  std::atomic_ref<uint16_t>(*word).store(value, order);
}

bool Aligned(const void* pointer, uintptr_t to) {
  return reinterpret_cast<uintptr_t>(pointer) % to == 0;
}

}  // namespace

absl::StatusOr<Virtqueue> Virtqueue::Create(const MemoryMap& memory, const Layout& layout,
                                            uint16_t next_available) {
  if (!std::has_single_bit(layout.size) || layout.size > kMaxQueueSize) {
    return InvalidArgument("vring {}: a size of {}", layout.address.index, layout.size);
  }
  Virtqueue queue;
  queue.memory_ = &memory;
  queue.size_ = static_cast<uint16_t>(layout.size);
  queue.event_idx_ = (layout.features & kFeatureEventIdx) != 0;
  queue.indirect_ = (layout.features & kFeatureIndirectDescriptors) != 0;
  const uint64_t size = layout.size;
  queue.descriptors_ = memory.FromUser(layout.address.descriptors, size * sizeof(Descriptor));
  // The event words behind the rings count in any case: the driver has room for them.
  char* const available = memory.FromUser(layout.address.available, 6 + 2 * size);
  char* const used = memory.FromUser(layout.address.used, 6 + sizeof(UsedElement) * size);
  if (queue.descriptors_ == nullptr || available == nullptr || used == nullptr) {
    return InvalidArgument("vring {}: its rings are not in guest memory", layout.address.index);
  }
  if (!Aligned(queue.descriptors_, 16) || !Aligned(available, 2) || !Aligned(used, 4)) {
    return InvalidArgument("vring {}: its rings are not aligned", layout.address.index);
  }
  queue.available_ = reinterpret_cast<uint16_t*>(available);
  queue.used_ = reinterpret_cast<uint16_t*>(used);
  queue.next_available_ = next_available;
  queue.next_used_ = queue.published_ = queue.UsedIndexInMemory();
  return queue;
}

uint16_t Virtqueue::UsedIndexInMemory() const {
  return Load(used_ + kIndex, std::memory_order_acquire);
}

bool Virtqueue::HasAvailable() const {
  return Load(available_ + kIndex, std::memory_order_acquire) != next_available_;
}

absl::StatusOr<bool> Virtqueue::Pop(DescriptorChain& chain) {
  const uint16_t index = Load(available_ + kIndex, std::memory_order_acquire);
  const uint16_t waiting = static_cast<uint16_t>(index - next_available_);
  if (waiting == 0) return false;
  if (waiting > size_) {
    return InvalidArgument("driver: {} buffers available in a ring of {}", waiting, size_);
  }
  chain.head =
      Load(available_ + kRing + (next_available_ & (size_ - 1)), std::memory_order_relaxed);
  chain.readable.clear();
  chain.writable.clear();
  chain.readable_bytes = chain.writable_bytes = 0;
  RETURN_IF_ERROR(Walk(chain));
  ++next_available_;
  return true;
}

absl::Status Virtqueue::Walk(DescriptorChain& chain) {
  uint16_t index = chain.head;
  for (uint32_t count = 0; count < size_; ++count) {
    if (index >= size_) return InvalidArgument("driver: descriptor {} of {}", index, size_);
    Descriptor descriptor;
    std::memcpy(&descriptor, descriptors_ + index * sizeof(Descriptor), sizeof(Descriptor));
    if ((descriptor.flags & kDescriptorIndirect) != 0) {
      if ((descriptor.flags & kDescriptorNext) != 0) {
        return InvalidArgument("driver: an indirect descriptor with a successor");
      }
      return WalkIndirect(descriptor, chain);
    }
    RETURN_IF_ERROR(Append(descriptor, chain));
    if ((descriptor.flags & kDescriptorNext) == 0) return absl::OkStatus();
    index = descriptor.next;
  }
  return InvalidArgument("driver: a chain of more than {} descriptors", size_);
}

absl::Status Virtqueue::WalkIndirect(const Descriptor& table, DescriptorChain& chain) {
  const uint32_t entries = table.length / sizeof(Descriptor);
  if (!indirect_ || table.length % sizeof(Descriptor) != 0 || entries == 0 ||
      entries > kMaxIndirect) {
    return InvalidArgument("driver: an indirect table of {} bytes", table.length);
  }
  const char* const start = memory_->FromGuest(table.address, table.length);
  if (start == nullptr) {
    return InvalidArgument("driver: an indirect table outside memory at {:#x}", table.address);
  }
  uint16_t index = 0;
  for (uint32_t count = 0; count < entries; ++count) {
    if (index >= entries) return InvalidArgument("driver: descriptor {} of {}", index, entries);
    Descriptor descriptor;
    std::memcpy(&descriptor, start + index * sizeof(Descriptor), sizeof(Descriptor));
    if ((descriptor.flags & kDescriptorIndirect) != 0) {
      return InvalidArgument("driver: an indirect descriptor within an indirect table");
    }
    RETURN_IF_ERROR(Append(descriptor, chain));
    if ((descriptor.flags & kDescriptorNext) == 0) return absl::OkStatus();
    index = descriptor.next;
  }
  return InvalidArgument("driver: a chain of more than {} descriptors", entries);
}

absl::Status Virtqueue::Append(const Descriptor& descriptor, DescriptorChain& chain) {
  const bool writable = (descriptor.flags & kDescriptorWrite) != 0;
  if (!writable && chain.writable_bytes > 0) {
    return InvalidArgument("driver: a readable descriptor after a writable one");
  }
  std::vector<iovec>& pieces = writable ? chain.writable : chain.readable;
  if (!memory_->AppendGuestRange(descriptor.address, descriptor.length, pieces)) {
    return InvalidArgument("driver: {} bytes at {:#x} are outside memory", descriptor.length,
                           descriptor.address);
  }
  (writable ? chain.writable_bytes : chain.readable_bytes) += descriptor.length;
  return absl::OkStatus();
}

void Virtqueue::Push(uint16_t head, uint32_t written) {
  const UsedElement element{head, written};
  char* const ring = reinterpret_cast<char*>(used_ + kRing);
  std::memcpy(ring + (next_used_ & (size_ - 1)) * sizeof(element), &element, sizeof(element));
  ++next_used_;
}

bool Virtqueue::Publish() {
  if (next_used_ == published_) return false;
  const uint16_t before = published_;
  Store(used_ + kIndex, next_used_, std::memory_order_release);
  published_ = next_used_;
  // The driver's wish must be read after it can have seen the index, else a call is missed.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (!event_idx_) {
    return (Load(available_ + kFlags, std::memory_order_relaxed) & kNoInterrupt) == 0;
  }
  // After a restart nobody knows what was signalled last: call once too often.
  if (!published_before_) {
    published_before_ = true;
    return true;
  }
  const uint16_t event = Load(available_ + kRing + size_, std::memory_order_relaxed);
  return static_cast<uint16_t>(published_ - event - 1) < static_cast<uint16_t>(published_ - before);
}

bool Virtqueue::EnableKicks() {
  if (event_idx_) {
    Store(used_ + kRing + size_ * (sizeof(UsedElement) / 2), next_available_,
          std::memory_order_relaxed);
  } else {
    Store(used_ + kFlags, 0, std::memory_order_relaxed);
  }
  // The driver must be able to see the wish before we look for the last time.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  return HasAvailable();
}

void Virtqueue::DisableKicks() {
  // With EVENT_IDX an event index that is not moved on asks for nothing.
  if (!event_idx_) Store(used_ + kFlags, kNoNotify, std::memory_order_relaxed);
}

}  // namespace ember::vhost_user
