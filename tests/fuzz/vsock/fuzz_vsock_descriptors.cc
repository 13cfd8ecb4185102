// The memory of a hostile driver: rings, descriptors and indirect tables of any content. A chain
// that is given out must lie within memory, byte for byte.

#include <sys/mman.h>
#include <unistd.h>

#include <cstring>

#include "backends/vsock/packet.h"
#include "backends/vsock/vhost_user/virtqueue.h"
#include "base/check.h"
#include "tests/fuzz/vsock/fuzz_input.h"

namespace {

using namespace ember::vhost_user;

constexpr uint64_t kSize = 0x4000;
constexpr uint64_t kUser = 0x100000;

// Reads or writes every byte, for the sanitizer to see.
void Touch(const std::vector<iovec>& pieces, bool write, uint64_t limit) {
  volatile char sink = 0;
  for (const iovec& piece : pieces) {
    const size_t length = std::min<uint64_t>(piece.iov_len, limit);
    if (length == 0) continue;
    char* const bytes = static_cast<char*>(piece.iov_base);
    if (write) bytes[0] = bytes[length - 1] = 1;
    sink = static_cast<char>(sink + bytes[0] + bytes[length - 1]);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  ember::fuzz::Input input(bytes, size);
  std::vector<ember::UniqueFd> fds;
  fds.emplace_back(memfd_create("fuzz", MFD_CLOEXEC));
  fds.emplace_back(memfd_create("fuzz", MFD_CLOEXEC));
  for (const ember::UniqueFd& fd : fds) {
    if (!fd.valid() || ftruncate(fd.get(), kSize) != 0) return 0;
  }
  // Two regions, one right behind the other.
  auto memory = MemoryMap::Create({{0, kSize, kUser, 0}, {kSize, kSize, kUser + kSize, 0}}, fds);
  if (!memory.ok()) return 0;
  Virtqueue::Layout layout;
  layout.size = uint32_t{1} << (input.Take<uint8_t>() % 6);
  layout.features =
      input.Take<uint8_t>() % 2 == 0 ? 0 : kFeatureEventIdx | kFeatureIndirectDescriptors;
  layout.address = {0, 0, kUser, kUser + 0x1000, kUser + 0x800, 0};
  const uint16_t start = input.Take<uint16_t>();
  const std::string_view content = input.TakeBytes(kSize);
  std::memcpy(memory->FromGuest(0, kSize), content.data(), content.size());
  auto queue = Virtqueue::Create(*memory, layout, start);
  if (!queue.ok()) return 0;
  DescriptorChain chain;
  for (int i = 0; i < 64; ++i) {
    const auto popped = queue->Pop(chain);
    if (!popped.ok() || !*popped) break;
    EMBER_CHECK(ember::vsock::TotalBytes(chain.readable) == chain.readable_bytes);
    EMBER_CHECK(ember::vsock::TotalBytes(chain.writable) == chain.writable_bytes);
    Touch(chain.readable, false, kSize);
    Touch(chain.writable, true, kSize);
    if (i % 3 == 2) {
      queue->Unpop(1);
      queue->EnableKicks();
    } else {
      queue->Push(chain.head, 1);
      queue->Publish();
    }
  }
  return 0;
}
