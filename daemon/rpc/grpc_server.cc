#include "daemon/rpc/grpc_server.h"

#include <grpcpp/grpcpp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <utility>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "base/socket.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "daemon/rpc/care_service.h"
#include "daemon/rpc/file_service.h"
#include "daemon/rpc/forward_service.h"
#include "daemon/rpc/host_service.h"
#include "daemon/rpc/image_service.h"
#include "daemon/rpc/process_service.h"
#include "daemon/rpc/storage_service.h"

namespace ember::daemon::rpc {
namespace {

// An exec chunk is at most 256 KiB; the largest legitimate message is a list of VMs.
constexpr int kMaxRequestBytes = 4 << 20;

}  // namespace

struct GrpcServer::Parts {
  std::filesystem::path socket;
  std::vector<std::unique_ptr<grpc::Service>> services;
  std::unique_ptr<grpc::Server> server;
};

absl::StatusOr<std::unique_ptr<GrpcServer>> GrpcServer::Start(const std::filesystem::path& socket,
                                                              Subject subject) {
  RETURN_IF_ERROR(CheckSocketPath(socket));
  // gRPC replaces whatever file is there; whether somebody serves on it is for us to find out
  // first.
  if (ConnectUnix(socket).ok()) {
    return WithHint(AlreadyExists("{}: another daemon serves there", socket.native()),
                    "stop it with 'ember daemon stop' or use another --listen");
  }
  // Debian builds Abseil without NDEBUG, so the mutexes of gRPC look for deadlocks at every lock.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  auto parts = std::make_unique<Parts>();
  parts->socket = socket;
  HostService::About about;
  about.socket_path = socket.native();
  about.default_backend = subject.default_backend;
  about.host_cpus = subject.host_cpus;
  about.host_memory_mib = subject.host_memory_mib;
  about.started_at = absl::Now();
  parts->services.push_back(std::make_unique<HostService>(subject.host, subject.catalog,
                                                          subject.doctor, subject.io, about));
  parts->services.push_back(std::make_unique<ProcessService>(subject.host, subject.io));
  parts->services.push_back(std::make_unique<FileService>(subject.host, subject.io));
  parts->services.push_back(std::make_unique<ForwardService>(subject.host, subject.io));
  parts->services.push_back(std::make_unique<CareService>(subject.host, subject.io));
  parts->services.push_back(
      std::make_unique<ImageService>(subject.host, subject.catalog, subject.io));
  parts->services.push_back(std::make_unique<StorageService>(subject.host, subject.catalog));

  grpc::ServerBuilder builder;
  builder.AddListeningPort("unix:" + socket.native(), grpc::InsecureServerCredentials());
  for (const auto& service : parts->services) builder.RegisterService(service.get());
  builder.SetMaxReceiveMessageSize(kMaxRequestBytes);
  builder.SetResourceQuota(grpc::ResourceQuota("ember").SetMaxThreads(16));
  // The file must never be open to others, not even between bind and chmod. No other thread makes
  // files yet.
  const mode_t old_mask = umask(0177);
  parts->server = builder.BuildAndStart();
  umask(old_mask);
  if (parts->server == nullptr) return Internal("{}: gRPC could not listen there", socket.native());
  return std::unique_ptr<GrpcServer>(new GrpcServer(std::move(parts)));
}

GrpcServer::GrpcServer(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

GrpcServer::~GrpcServer() { Shutdown(absl::ZeroDuration()); }

void GrpcServer::Shutdown(absl::Duration grace) {
  if (parts_->server == nullptr) return;
  unlink(parts_->socket.c_str());
  parts_->server->Shutdown(std::chrono::system_clock::now() + absl::ToChronoMicroseconds(grace));
  parts_->server->Wait();
  parts_->server.reset();
}

}  // namespace ember::daemon::rpc
