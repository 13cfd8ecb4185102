// Any requests with any descriptors at a server: errors are fine, anything else isn't.

#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "backends/vsock/vhost_user/server.h"
#include "tests/fuzz/vsock/fuzz_input.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  using namespace ember::vhost_user;
  ember::fuzz::Input input(bytes, size);
  Server server(std::string(8, 'c'));
  while (!input.empty()) {
    RequestMessage message;
    // Mostly numbers that mean something.
    message.header.request = input.Take<uint8_t>() % 48;
    message.header.flags = kVersion | (input.Take<uint8_t>() & kNeedReplyFlag);
    const size_t fds = input.Take<uint8_t>() % (kMaxFds + 1);
    message.payload = input.TakeBytes(input.Take<uint16_t>() % 300);
    message.header.size = static_cast<uint32_t>(message.payload.size());
    if (!CheckHeader(message.header).ok()) continue;
    for (size_t i = 0; i < fds; ++i) {
      const bool memory = message.request() == Request::kSetMemTable;
      ember::UniqueFd fd(memory ? memfd_create("fuzz", MFD_CLOEXEC) : eventfd(0, EFD_CLOEXEC));
      if (memory && ftruncate(fd.get(), 0x20000) != 0) return 0;
      message.fds.push_back(std::move(fd));
    }
    // A refused request ends a real session; here the next one finds what it left.
    server.Handle(std::move(message)).status().IgnoreError();
  }
  server.Resume();
  return 0;
}
