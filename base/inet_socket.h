#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "base/unique_fd.h"

// TCP and UDP sockets. All descriptors made here are close-on-exec and non-blocking; addresses are
// IPv4 or IPv6 as text ("127.0.0.1", "::1"), anything else is InvalidArgument.
namespace ember {

// Listens at `ip`:`port`; port 0 is any free one. AlreadyExists when another socket has it. One of
// IPv6 takes no IPv4 connections.
absl::StatusOr<UniqueFd> ListenTcp(const std::string& ip, uint16_t port, int backlog = 128);

// Begins to connect. Whether that worked shows once the socket is writable: ConnectOutcome.
absl::StatusOr<UniqueFd> BeginConnectTcp(const std::string& ip, uint16_t port);
absl::Status ConnectOutcome(int fd);

// A UDP socket bound to `ip`:`port`, as ListenTcp.
absl::StatusOr<UniqueFd> BindUdp(const std::string& ip, uint16_t port);

// A UDP socket that talks to `ip`:`port` alone.
absl::StatusOr<UniqueFd> ConnectUdp(const std::string& ip, uint16_t port);

// The port that a socket is bound to.
absl::StatusOr<uint16_t> LocalPortOf(int fd);

// Small writes leave at once. Of no effect on other sockets than those of TCP.
void SendWithoutDelay(int fd);

}  // namespace ember
