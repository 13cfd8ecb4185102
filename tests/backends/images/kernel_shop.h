#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "backends/images/kernel_store.h"
#include "base/file.h"
#include "tests/backends/images/fake_kernel.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace ember::testing {

// A folder of modules, a kernel file, an agent and a store that uses them.
class KernelShop {
 public:
  KernelShop() {
    Put("agent", "agent 1");
    Put("vmlinux", FakeVmlinux("6.6.6-test"));
    Put("modules/modules.builtin",
        "kernel/fs/ext4/ext4.ko\nkernel/drivers/virtio/virtio.ko\n"
        "kernel/drivers/virtio/virtio_pci.ko\n");
    Module("virtio_blk", "virtio,virtio_ring");
    Module("virtio_ring", "");
    Module("vsock", "");
    Module("vmw_vsock_virtio_transport_common", "vsock");
    Module("vmw_vsock_virtio_transport", "vmw_vsock_virtio_transport_common,virtio,vsock");
  }
  void Put(const std::string& path, const std::string& content) {
    REQUIRE_OK(MakeDirectories((dir_ / path).parent_path(), 0755));
    REQUIRE_OK(WriteFileAtomically(dir_ / path, content, 0644));
  }
  void Module(const std::string& name, const std::string& depends) {
    Put("modules/kernel/" + name + ".ko", FakeModule(depends));
  }
  std::filesystem::path Path(std::string_view name) const { return dir_ / name; }
  std::unique_ptr<images::KernelStore> Open() {
    return ValueOf(images::KernelStore::Open(Path("k"), Path("agent")));
  }
  absl::StatusOr<images::KernelRecord> Add(images::KernelStore& store, const std::string& name) {
    return store.Add({Path("vmlinux").native(), name, Path("modules")}, {},
                     Cancellation::After(absl::Minutes(2)));
  }
  size_t Entries() const {
    return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(Path("k")), {}));
  }

 private:
  TempDir dir_;
};

}  // namespace ember::testing
