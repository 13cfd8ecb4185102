#include "backends/vsock/send_buffer.h"

#include <sys/socket.h>

#include <algorithm>

namespace ember::vsock {

void SendBuffer::Append(std::span<const iovec> pieces, size_t skip) {
  // Room is made by moving what is left to the front, so that it never grows past its content.
  if (start_ > 0) {
    bytes_.erase(0, start_);
    start_ = 0;
  }
  for (const iovec& piece : pieces) {
    const size_t start = std::min(skip, piece.iov_len);
    skip -= start;
    bytes_.append(static_cast<const char*>(piece.iov_base) + start, piece.iov_len - start);
  }
}

ssize_t SendBuffer::SendTo(int socket) {
  const ssize_t sent = send(socket, bytes_.data() + start_, size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent <= 0) return sent;
  start_ += static_cast<size_t>(sent);
  if (empty()) Clear();
  return sent;
}

void SendBuffer::Clear() {
  bytes_.clear();
  bytes_.shrink_to_fit();
  start_ = 0;
}

}  // namespace ember::vsock
