#include "backends/hypervisor/qemu/qmp_client.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/socket.h"
#include "base/status.h"
#include "base/status_macros.h"

namespace ember::hypervisor {
namespace {

using nlohmann::json;

// QEMU's longest answers (schemas) are some hundred KiB; ours are short.
constexpr size_t kMaxLine = 1 << 20;
constexpr size_t kMaxEvents = 1000;

std::string Text(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

absl::Status ErrorOf(std::string_view command, const json& error) {
  if (!error.is_object()) return DataLoss("QEMU: malformed error reply to {}", command);
  const std::string kind = Text(error, "class");
  const auto code =
      kind == "DeviceNotFound" ? absl::StatusCode::kNotFound : absl::StatusCode::kInternal;
  return MakeStatus(code, "QEMU: {}: {} ({})", command, Text(error, "desc"), kind);
}

std::string Line(std::string_view command, const json& arguments) {
  json request = {{"execute", command}};
  if (!arguments.is_null()) request["arguments"] = arguments;
  return request.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
}

// Sends `line` with a descriptor attached to its first byte.
absl::Status SendWithDescriptor(int socket, std::string_view line, int fd,
                                const Cancellation& cancellation) {
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  iovec bytes{const_cast<char*>(line.data()), 1};
  msghdr message{};
  message.msg_iov = &bytes;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  std::memcpy(CMSG_DATA(header), &fd, sizeof(int));
  while (sendmsg(socket, &message, MSG_NOSIGNAL) < 0) {
    if (errno == EAGAIN) {
      RETURN_IF_ERROR(cancellation.WaitWritable(socket, "send a descriptor to QEMU"));
    } else if (errno != EINTR) {
      return ErrnoStatus(errno, "send a descriptor to QEMU");
    }
  }
  return WriteFully(socket, line.substr(1), cancellation);
}

}  // namespace

absl::StatusOr<QmpClient> QmpClient::Connect(const std::filesystem::path& socket,
                                             const Cancellation& cancellation) {
  auto fd = ConnectUnix(socket);
  if (absl::IsNotFound(fd.status())) return Unavailable("QEMU's control socket is gone");
  RETURN_IF_ERROR(fd.status());
  QmpClient client(*std::move(fd));
  ASSIGN_OR_RETURN(const json greeting, client.ReadObject(cancellation));
  if (!greeting.contains("QMP")) return DataLoss("QEMU's control socket did not greet");
  RETURN_IF_ERROR(client.Execute("qmp_capabilities", cancellation));
  return client;
}

absl::StatusOr<json> QmpClient::Execute(std::string_view command, const json& arguments,
                                        const Cancellation& cancellation) {
  RETURN_IF_ERROR(WriteFully(fd_.get(), Line(command, arguments), cancellation));
  return ReadReply(command, cancellation);
}

absl::Status QmpClient::Execute(std::string_view command, const Cancellation& cancellation) {
  return Execute(command, json(), cancellation).status();
}

absl::Status QmpClient::PassDescriptor(std::string_view name, int fd,
                                       const Cancellation& cancellation) {
  RETURN_IF_ERROR(
      SendWithDescriptor(fd_.get(), Line("getfd", {{"fdname", name}}), fd, cancellation));
  return ReadReply("getfd", cancellation).status();
}

absl::Status QmpClient::WaitForDeviceEvent(std::string_view event, std::string_view id,
                                           const Cancellation& cancellation) {
  const std::string wanted = fmt::format("{} {}", event, id);
  while (std::find(events_.begin(), events_.end(), wanted) == events_.end()) {
    ASSIGN_OR_RETURN(const json object, ReadObject(cancellation));
    Remember(object);
  }
  return absl::OkStatus();
}

absl::StatusOr<json> QmpClient::ReadReply(std::string_view command,
                                          const Cancellation& cancellation) {
  while (true) {
    ASSIGN_OR_RETURN(json object, ReadObject(cancellation));
    if (const auto found = object.find("return"); found != object.end()) return *found;
    if (const auto found = object.find("error"); found != object.end()) {
      return ErrorOf(command, *found);
    }
    Remember(object);
  }
}

void QmpClient::Remember(const json& event) {
  const auto about = event.find("data");
  if (about == event.end() || !about->is_object() || events_.size() >= kMaxEvents) return;
  events_.push_back(fmt::format("{} {}", Text(event, "event"), Text(*about, "device")));
}

absl::StatusOr<json> QmpClient::ReadObject(const Cancellation& cancellation) {
  std::array<char, 4096> chunk;
  size_t end;
  while ((end = buffer_.find('\n')) == std::string::npos) {
    if (buffer_.size() > kMaxLine) return DataLoss("QEMU sent a line over {} bytes", kMaxLine);
    const ssize_t got = recv(fd_.get(), chunk.data(), chunk.size(), 0);
    if (got > 0) {
      buffer_.append(chunk.data(), static_cast<size_t>(got));
    } else if (got == 0) {
      return Unavailable("QEMU closed its control socket");
    } else if (errno == EAGAIN) {
      RETURN_IF_ERROR(cancellation.WaitReadable(fd_.get(), "wait for QEMU"));
    } else if (errno != EINTR) {
      return ErrnoStatus(errno, "QEMU's control socket");
    }
  }
  // Parsed without exceptions: garbage becomes a discarded value.
  json object =
      json::parse(buffer_.begin(), buffer_.begin() + static_cast<ptrdiff_t>(end), nullptr, false);
  buffer_.erase(0, end + 1);
  if (!object.is_object())
    return DataLoss("QEMU's control socket sent something that is no object");
  return object;
}

}  // namespace ember::hypervisor
