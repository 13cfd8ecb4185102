#pragma once

#include <filesystem>
#include <memory>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "daemon/catalog.h"
#include "daemon/doctor.h"
#include "daemon/host.h"

namespace ember::daemon::rpc {

// The gRPC server on its Unix socket; keeps gRPC's headers out of the daemon's core. Lives on the
// main thread.
class GrpcServer {
 public:
  struct Subject {
    Host& host;
    Catalog& catalog;
    const Doctor& doctor;
    EventLoop& io;
    std::string default_backend;
    uint32_t host_cpus = 0;
    uint64_t host_memory_mib = 0;
  };

  // Serves at `socket` (mode 0600: only this user and root may connect), replacing a stale file.
  // All of `subject` outlives the server.
  static absl::StatusOr<std::unique_ptr<GrpcServer>> Start(const std::filesystem::path& socket,
                                                           Subject subject);
  GrpcServer(const GrpcServer&) = delete;
  GrpcServer& operator=(const GrpcServer&) = delete;
  ~GrpcServer();

  // Accepts no more calls, gives those under way `grace` to end, then cancels them; removes the
  // socket.
  void Shutdown(absl::Duration grace);

 private:
  struct Parts;
  explicit GrpcServer(std::unique_ptr<Parts> parts);

  std::unique_ptr<Parts> parts_;
};

}  // namespace ember::daemon::rpc
