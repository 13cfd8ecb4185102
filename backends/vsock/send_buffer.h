#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <span>
#include <string>

namespace ember::vsock {

// Bytes from the guest that the host's socket did not take yet. Holds what was promised as credit
// at the most; the connection checks that. Uses memory only while it holds something. Not
// thread-safe.
class SendBuffer {
 public:
  size_t size() const { return bytes_.size() - start_; }
  bool empty() const { return size() == 0; }

  // Takes what lies behind the first `skip` bytes of `pieces`.
  void Append(std::span<const iovec> pieces, size_t skip);
  // Sends as much as the socket takes: the number of bytes, or -1 with errno (EAGAIN when it takes
  // none). Not when empty.
  ssize_t SendTo(int socket);
  // Drops all.
  void Clear();

 private:
  std::string bytes_;
  size_t start_ = 0;
};

}  // namespace ember::vsock
