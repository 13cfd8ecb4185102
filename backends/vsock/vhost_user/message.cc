#include "backends/vsock/vhost_user/message.h"

#include <sys/socket.h>

#include <bit>
#include <cerrno>
#include <cstring>

#include "base/socket.h"
#include "base/status.h"
#include "base/status_macros.h"

namespace ember::vhost_user {
namespace {

static_assert(std::endian::native == std::endian::little, "the wire is little-endian");

constexpr size_t kControlSpace = CMSG_SPACE(sizeof(int) * kMaxFds);

// Takes over every descriptor that came with `message`.
std::vector<UniqueFd> TakeFds(msghdr& message) {
  std::vector<UniqueFd> fds;
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr;
       part = CMSG_NXTHDR(&message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd;
      std::memcpy(&fd, CMSG_DATA(part) + i * sizeof(int), sizeof(fd));
      fds.emplace_back(fd);
    }
  }
  return fds;
}

// Receives the first bytes of a header and all descriptors. 0 at the end of the stream.
absl::StatusOr<size_t> ReceiveStart(int socket, RequestMessage& message,
                                    const Cancellation& cancellation) {
  iovec part{&message.header, sizeof(message.header)};
  alignas(cmsghdr) char control[kControlSpace];
  while (true) {
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = sizeof(control);
    const ssize_t count = recvmsg(socket, &header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (count >= 0) {
      message.fds = TakeFds(header);
      if ((header.msg_flags & MSG_CTRUNC) != 0) {
        return InvalidArgument("vhost-user: a message has more than {} descriptors", kMaxFds);
      }
      return static_cast<size_t>(count);
    }
    if (errno == ECONNRESET) return 0;
    if (errno == EINTR) continue;
    if (errno != EAGAIN) return ErrnoStatus(errno, "vhost-user: recvmsg");
    RETURN_IF_ERROR(cancellation.WaitReadable(socket, "vhost-user request"));
  }
}

absl::Status ReadRest(int socket, char* buffer, size_t size, const Cancellation& cancellation) {
  absl::Status status = ReadFully(socket, buffer, size, cancellation);
  if (absl::IsUnavailable(status)) return DataLoss("vhost-user: the peer left within a message");
  return status;
}

}  // namespace

template <typename T>
absl::StatusOr<T> PayloadAs(const RequestMessage& message) {
  if (message.payload.size() != sizeof(T)) {
    return InvalidArgument("vhost-user: request {} has a payload of {} bytes, not {}",
                           message.header.request, message.payload.size(), sizeof(T));
  }
  T value;
  std::memcpy(&value, message.payload.data(), sizeof(T));
  return value;
}

template absl::StatusOr<uint64_t> PayloadAs(const RequestMessage&);
template absl::StatusOr<VringState> PayloadAs(const RequestMessage&);
template absl::StatusOr<VringAddress> PayloadAs(const RequestMessage&);

absl::StatusOr<std::vector<MemoryRegion>> ParseMemoryTable(const RequestMessage& message) {
  struct {
    uint32_t count;
    uint32_t padding;
  } start;
  if (message.payload.size() < sizeof(start)) {
    return InvalidArgument("vhost-user: a memory table of {} bytes", message.payload.size());
  }
  std::memcpy(&start, message.payload.data(), sizeof(start));
  if (start.count == 0 || start.count > kMaxRegions || start.count != message.fds.size()) {
    return InvalidArgument("vhost-user: a memory table of {} regions with {} descriptors",
                           start.count, message.fds.size());
  }
  const size_t bytes = start.count * sizeof(MemoryRegion);
  if (message.payload.size() - sizeof(start) < bytes) {
    return InvalidArgument("vhost-user: a memory table of {} regions in {} bytes", start.count,
                           message.payload.size());
  }
  std::vector<MemoryRegion> regions(start.count);
  std::memcpy(regions.data(), message.payload.data() + sizeof(start), bytes);
  return regions;
}

absl::Status CheckHeader(const Header& header) {
  if ((header.flags & kVersionMask) != kVersion || (header.flags & kReplyFlag) != 0) {
    return InvalidArgument("vhost-user: request {} with flags {:#x}", header.request, header.flags);
  }
  if (header.size > kMaxPayload) {
    return InvalidArgument("vhost-user: request {} with {} bytes", header.request, header.size);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::optional<RequestMessage>> ReceiveRequest(int socket,
                                                             const Cancellation& cancellation) {
  RequestMessage message;
  ASSIGN_OR_RETURN(const size_t got, ReceiveStart(socket, message, cancellation));
  if (got == 0) return std::optional<RequestMessage>();
  RETURN_IF_ERROR(ReadRest(socket, reinterpret_cast<char*>(&message.header) + got,
                           sizeof(Header) - got, cancellation));
  RETURN_IF_ERROR(CheckHeader(message.header));
  message.payload.resize(message.header.size);
  RETURN_IF_ERROR(ReadRest(socket, message.payload.data(), message.payload.size(), cancellation));
  return std::optional<RequestMessage>(std::move(message));
}

absl::Status SendRequest(int socket, const RequestMessage& message,
                         const Cancellation& cancellation) {
  std::string bytes = BytesOf(message.header) + message.payload;
  iovec part{bytes.data(), bytes.size()};
  alignas(cmsghdr) char control[kControlSpace] = {};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  if (!message.fds.empty()) {
    header.msg_control = control;
    header.msg_controllen = CMSG_SPACE(sizeof(int) * message.fds.size());
    cmsghdr* rights = CMSG_FIRSTHDR(&header);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof(int) * message.fds.size());
    for (size_t i = 0; i < message.fds.size(); ++i) {
      const int fd = message.fds[i].get();
      std::memcpy(CMSG_DATA(rights) + i * sizeof(int), &fd, sizeof(fd));
    }
  }
  while (true) {
    const ssize_t count = sendmsg(socket, &header, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count >= 0) {
      return WriteFully(socket, std::string_view(bytes).substr(static_cast<size_t>(count)),
                        cancellation);
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN) return ErrnoStatus(errno, "vhost-user: sendmsg");
    RETURN_IF_ERROR(cancellation.WaitWritable(socket, "vhost-user request"));
  }
}

absl::Status SendReply(int socket, const Header& request, std::string_view payload,
                       const Cancellation& cancellation) {
  RequestMessage reply;
  reply.header = {request.request, kVersion | kReplyFlag, static_cast<uint32_t>(payload.size())};
  reply.payload = payload;
  return SendRequest(socket, reply, cancellation);
}

absl::StatusOr<std::string> ReceiveReply(int socket, const Header& request,
                                         const Cancellation& cancellation) {
  Header header;
  RETURN_IF_ERROR(ReadRest(socket, reinterpret_cast<char*>(&header), sizeof(header), cancellation));
  if (header.request != request.request || (header.flags & kReplyFlag) == 0 ||
      header.size > kMaxPayload) {
    return InvalidArgument("vhost-user: a reply that belongs to no request");
  }
  std::string payload(header.size, '\0');
  RETURN_IF_ERROR(ReadRest(socket, payload.data(), payload.size(), cancellation));
  return payload;
}

}  // namespace ember::vhost_user
