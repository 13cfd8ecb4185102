#include "daemon/server.h"

#include <sys/sysinfo.h>
#include <unistd.h>

#include <algorithm>
#include <system_error>
#include <thread>
#include <utility>

#include "backends/hypervisor/factory.h"
#include "backends/images/image_store.h"
#include "backends/images/kernel_store.h"
#include "base/awaited.h"
#include "base/file.h"
#include "base/size.h"
#include "base/socket.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "base/subprocess.h"
#include "daemon/catalog.h"
#include "daemon/doctor.h"
#include "daemon/host.h"
#include "daemon/rpc/grpc_server.h"

namespace ember::daemon {
namespace {

constexpr absl::Duration kRecoveryLimit = absl::Seconds(60);
constexpr absl::Duration kForkedLimit = absl::Seconds(2);
constexpr absl::Duration kLockCheck = absl::Milliseconds(5);
constexpr absl::Duration kCallsGrace = absl::Milliseconds(500);
constexpr absl::Duration kDrainLimit = absl::Milliseconds(3500);

uint64_t HostMemoryMib() {
  struct sysinfo info;
  if (sysinfo(&info) != 0) return 0;
  return uint64_t{info.totalram} * info.mem_unit / kMiB;
}

// A program of ours: next to this one (a build tree, /usr/bin) or where packages put what is not
// for users.
std::filesystem::path Companion(std::string_view name) {
  std::error_code ignored;
  const std::filesystem::path here =
      std::filesystem::read_symlink("/proc/self/exe", ignored).parent_path();
  for (const std::filesystem::path& folder :
       {here, here / "../lib/ember", here / "../libexec/ember"}) {
    std::filesystem::path candidate = (folder / name).lexically_normal();
    if (access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return FindProgram(name).value_or(std::filesystem::path(name));
}

// A child that the last daemon forked has its lock until it executes its program, also when that
// daemon was killed. So it is waited for: who has the lock knows that every process of an earlier
// daemon carries its tags by now.
absl::StatusOr<UniqueFd> LockStateDir(const std::filesystem::path& state_dir) {
  const Cancellation limit = Cancellation::After(kForkedLimit);
  auto lock = LockFile(state_dir / "lock");
  while (lock.status().code() == absl::StatusCode::kAlreadyExists) {
    if (!limit.Pause(kLockCheck, "the lock").ok()) break;
    lock = LockFile(state_dir / "lock");
  }
  if (lock.ok() || lock.status().code() != absl::StatusCode::kAlreadyExists) return lock;
  return WithHint(
      AlreadyExists("another emberhostd owns the state directory {}", state_dir.native()),
      "stop it with 'ember daemon stop', or use another --state-dir");
}

}  // namespace

// In the order of construction; destroyed the other way round.
struct Server::Parts {
  ~Parts() {
    // Also where the start failed half way: what posts to the host ends before it.
    grpc.reset();
    if (catalog != nullptr) catalog->Shutdown();
    if (io != nullptr) io->Stop();
  }

  UniqueFd lock;
  std::unique_ptr<EventLoop> io;
  std::unique_ptr<images::ImageStore> images;
  std::unique_ptr<images::KernelStore> kernels;
  std::unique_ptr<Catalog> catalog;
  std::unique_ptr<BackendMap> doctor_backends;
  std::unique_ptr<Host> host;
  std::unique_ptr<Doctor> doctor;
  std::unique_ptr<rpc::GrpcServer> grpc;
};

namespace {

absl::StatusOr<BackendMap> MakeBackends(const Options& options, EventLoop& io, const Log& log,
                                        Catalog& catalog) {
  hypervisor::BackendOptions made_with;
  made_with.qemu.vsock_device = Companion("ember-vsock-device");
  made_with.qemu.cache_dir = options.state_dir;
  if (!options.accelerator.empty()) made_with.qemu.accelerator = options.accelerator;
  made_with.qemu.probe_kernel = [&catalog] {
    const auto kernel = catalog.GetKernel("");
    return kernel.ok() ? kernel->vmlinux : std::filesystem::path();
  };
  if (options.allow_insecure_local) {
    made_with.local.emplace();
    made_with.local->emberd = Companion("emberd");
  }
  BackendMap backends;
  for (const std::string_view name : hypervisor::BackendNames()) {
    if (name == "local" && !options.allow_insecure_local) continue;
    ASSIGN_OR_RETURN(auto backend, hypervisor::MakeBackend(name, made_with, io, log));
    backends.emplace(std::string(name), std::move(backend));
  }
  return backends;
}

// One store for the disks of all VMs, so that a fork may have another backend than its source: what
// every backend can read.
absl::StatusOr<std::unique_ptr<storage::VolumeStore>> ChooseVolumes(
    const std::filesystem::path& state_dir, const BackendMap& backends, const Log& log) {
  const bool qcow2 = std::all_of(backends.begin(), backends.end(), [](const auto& entry) {
    return entry.second->capabilities().qcow2_disks;
  });
  storage::StoreChoice choice;
  choice.formats = qcow2 ? storage::DiskFormats::kRawAndQcow2 : storage::DiskFormats::kRawOnly;
  choice.on_first_copy = [log, state_dir] {
    log.Warn("disks are full copies of their images: the filesystem can't share blocks",
             {{"path", state_dir.native()}, {"remedy", "use XFS (reflink=1) or btrfs"}});
  };
  return storage::ChooseVolumeStore(state_dir / "images", state_dir / "vms", std::move(choice));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const Options& options, const Log& log) {
  auto parts = std::make_unique<Parts>();
  RETURN_IF_ERROR(MakeDirectories(options.state_dir, 0700));
  RETURN_IF_ERROR(MakeDirectories(options.state_dir / "vms", 0700));
  RETURN_IF_ERROR(MakeDirectories(options.socket.parent_path(), 0700));
  RETURN_IF_ERROR(CheckSocketPath(options.socket));
  ASSIGN_OR_RETURN(parts->lock, LockStateDir(options.state_dir));
  state::StoreOptions store_options;
  if (!options.subnet.empty()) {
    ASSIGN_OR_RETURN(store_options.subnet, state::Subnet::Parse(options.subnet));
  }
  ASSIGN_OR_RETURN(auto store, state::Store::Open(options.state_dir, store_options));
  ASSIGN_OR_RETURN(parts->io, EventLoop::Create("io"));
  ASSIGN_OR_RETURN(parts->images, images::ImageStore::Open(options.state_dir / "images"));
  ASSIGN_OR_RETURN(parts->kernels,
                   images::KernelStore::Open(options.state_dir / "kernels", Companion("emberd")));
  parts->catalog = std::make_unique<Catalog>(*parts->images, *parts->kernels, log);
  ASSIGN_OR_RETURN(BackendMap backends, MakeBackends(options, *parts->io, log, *parts->catalog));
  ASSIGN_OR_RETURN(auto volumes, ChooseVolumes(options.state_dir, backends, log));
  const std::string volumes_name(volumes->name());
  ASSIGN_OR_RETURN(BackendMap doctor_backends,
                   MakeBackends(options, *parts->io, log, *parts->catalog));
  parts->doctor_backends = std::make_unique<BackendMap>(std::move(doctor_backends));
  ASSIGN_OR_RETURN(std::string boot_id, HostBootId());
  parts->io->Start();

  const uint32_t cpus = std::thread::hardware_concurrency();
  Host::Parts host{.state_dir = options.state_dir,
                   .host_boot_id = std::move(boot_id),
                   .store = std::move(store),
                   .backends = std::move(backends),
                   .volumes = std::move(volumes),
                   .catalog = *parts->catalog,
                   .io = *parts->io,
                   .log = log,
                   .limits = {cpus, HostMemoryMib()},
                   .defaults = {options.default_backend, options.default_vcpus,
                                options.default_memory_mib, options.default_disk_bytes},
                   .memory_limit_percent = options.memory_limit_percent,
                   .boot_sign_limit = absl::Seconds(options.boot_sign_seconds)};
  parts->host = std::make_unique<Host>(std::move(host));
  Awaited<Done> recovered;
  parts->host->Recover(recovered.reply());
  RETURN_IF_ERROR(recovered.Wait(Cancellation::After(kRecoveryLimit), "recovery").status());
  parts->doctor = std::make_unique<Doctor>(
      Doctor::Subject{options.state_dir, volumes_name, *parts->doctor_backends, *parts->catalog});
  ASSIGN_OR_RETURN(parts->grpc,
                   rpc::GrpcServer::Start(
                       options.socket, {*parts->host, *parts->catalog, *parts->doctor, *parts->io,
                                        options.default_backend, cpus, HostMemoryMib()}));
  log.Info("serving",
           {{"socket", options.socket.native()}, {"state_dir", options.state_dir.native()}});
  return std::unique_ptr<Server>(new Server(std::move(parts)));
}

Server::Server(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

Server::~Server() = default;

bool Server::Shutdown() {
  Awaited<Done> drained;
  parts_->host->Drain(drained.reply());
  parts_->grpc->Shutdown(kCallsGrace);
  if (!drained.Wait(Cancellation::After(kDrainLimit), "drain").ok()) return false;
  // Nobody asks any more and nothing is under way: end the threads that post to the host before the
  // host itself.
  parts_->catalog->Shutdown();
  parts_->io->Stop();
  parts_->host.reset();
  return true;
}

}  // namespace ember::daemon
