#include <algorithm>
#include <thread>

#include "backends/images/initramfs.h"
#include "backends/images/kernel_image.h"
#include "backends/images/kernel_modules.h"
#include "backends/images/kernel_store.h"
#include "base/file.h"
#include "base/status.h"
#include "base/subprocess.h"
#include "tests/backends/images/fake_kernel.h"
#include "tests/backends/images/kernel_shop.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace ember::images {
namespace {

using testing::Compress;
using testing::FakeBzImage;
using testing::FakeModule;
using testing::FakeVmlinux;
using testing::KernelShop;
using testing::ValueOf;

Cancellation Soon() { return Cancellation::After(absl::Minutes(2)); }

bool Contains(const absl::Status& status, std::string_view part) {
  return Message(status).find(part) != std::string_view::npos;
}

TEST_CASE("a vmlinux comes out of a bzImage whatever it is compressed with", "[images][kernel]") {
  testing::TempDir dir;
  const std::string vmlinux = FakeVmlinux("6.1.0-other");
  const auto filter = GENERATE(archive_write_add_filter_gzip, archive_write_add_filter_xz,
                               archive_write_add_filter_zstd, archive_write_add_filter_bzip2);
  REQUIRE_OK(WriteFileAtomically(
      dir / "bz", FakeBzImage("6.1.0-cloud #1", Compress(vmlinux, filter), vmlinux.size()), 0644));
  CHECK(ValueOf(ExtractKernel(dir / "bz", dir / "out")).release == "6.1.0-cloud");
  CHECK(ValueOf(ReadFile(dir / "out")) == vmlinux);
}

TEST_CASE("a vmlinux is taken as it is and tells its version", "[images][kernel]") {
  testing::TempDir dir;
  REQUIRE_OK(WriteFileAtomically(dir / "in", FakeVmlinux("6.12.3"), 0644));
  CHECK(ValueOf(ExtractKernel(dir / "in", dir / "out")).release == "6.12.3");
}

TEST_CASE("what is no kernel is refused by name with the reason", "[images][kernel]") {
  testing::TempDir dir;
  const std::string vmlinux = FakeVmlinux("6.1.0");
  const std::string packed = Compress(vmlinux, archive_write_add_filter_gzip);
  std::string content;
  std::string reason;
  SECTION("text") {
    content = "#!/bin/sh\n";
    reason = "is no Linux kernel (expected a bzImage";
  }
  SECTION("nothing") { reason = "is no Linux kernel"; }
  SECTION("no PVH note") {
    content = FakeVmlinux("6.1.0", 17);
    reason = "without a PVH entry note";
  }
  SECTION("a bzImage cut short") {
    content = FakeBzImage("6.1.0", packed, vmlinux.size()).substr(0, 1700);
    reason = "cut short";
  }
  SECTION("a bzImage with a damaged payload") {
    content = FakeBzImage("6.1.0", packed.substr(0, packed.size() / 2), vmlinux.size());
    reason = "damaged bzImage";
  }
  SECTION("another machine's") {
    content = vmlinux;
    content[18] = 1;
    reason = "this host is";
  }
  REQUIRE_OK(WriteFileAtomically(dir / "in", content, 0644));
  const absl::Status status = ExtractKernel(dir / "in", dir / "out").status();
  INFO(status.ToString());
  CHECK(status.code() == absl::StatusCode::kInvalidArgument);
  CHECK(Contains(status, (dir / "in").native()));
  CHECK(Contains(status, reason));
}

TEST_CASE("modules come in the order of their dependencies without what is built in",
          "[images][kernel]") {
  KernelShop shop;
  shop.Put("modules/kernel/virtio-rng.ko.xz",
           Compress(FakeModule("rng-core"), archive_write_add_filter_xz));
  shop.Module("rng-core", "");
  shop.Module("usb_storage", "");
  std::vector<std::string> names;
  for (const auto& module : ValueOf(CollectModules(shop.Path("modules"))).modules) {
    names.push_back(module.name);
    CHECK(module.content.starts_with(ELFMAG));
  }
  CHECK(names == std::vector<std::string>{
                     "virtio_ring", "vsock", "vmw_vsock_virtio_transport_common",
                     "vmw_vsock_virtio_transport", "virtio_blk", "rng_core", "virtio_rng"});
}

TEST_CASE("a kernel without a driver that every VM needs is refused", "[images][kernel]") {
  KernelShop shop;
  std::filesystem::remove(shop.Path("modules/kernel/virtio_blk.ko"));
  auto store = shop.Open();
  const absl::Status status = shop.Add(*store, "k1").status();
  CHECK(status.code() == absl::StatusCode::kFailedPrecondition);
  CHECK(Contains(status, "no driver 'virtio_blk'"));
  CHECK(shop.Entries() == 0);
}

TEST_CASE("the initramfs holds the agent, the modules and their order", "[images][initramfs]") {
  if (!FindProgram("cpio").has_value()) EMBER_SKIP("cpio is not installed");
  const std::string cpio = BuildInitramfs("the agent", {{"b", "module b"}, {"a", "module a!"}});
  CHECK(cpio == BuildInitramfs("the agent", {{"b", "module b"}, {"a", "module a!"}}));
  ToolOptions tool;
  tool.argv = {"cpio", "-tv", "--numeric-uid-gid"};
  tool.input = cpio;
  const std::string list = ValueOf(RunTool(tool, Soon())).out;
  INFO(list);
  CHECK(list.find("crw-------   1 0        0          5,   1") != list.npos);
  for (const char* name :
       {"-rwxr-xr-x", "init\n", "modules/a.ko\n", "modules/b.ko\n", "newroot\n"}) {
    CHECK(list.find(name) != list.npos);
  }
  tool.argv = {"cpio", "-i", "--to-stdout", "--quiet", "modules/order", "init"};
  CHECK(ValueOf(RunTool(tool, Soon())).out == "the agentb.ko\na.ko\n");
}

TEST_CASE("kernels are added, listed, defaulted and deleted", "[images][kernel]") {
  KernelShop shop;
  auto store = shop.Open();
  const absl::Status none = store->Default().status();
  CHECK(absl::IsNotFound(none));
  CHECK(HintOf(none).value_or("") == "run 'ember kernel add debian'");
  const KernelRecord first = ValueOf(shop.Add(*store, ""));
  CHECK(first.name == "6.6.6-test");
  CHECK(first.version == "6.6.6-test");
  CHECK(first.is_default);
  CHECK_FALSE(ValueOf(shop.Add(*store, "another")).is_default);
  CHECK(ValueOf(shop.Open()->List()).size() == 2);
  CHECK(ValueOf(store->Get("6.6.6-test")) == first);
  CHECK(absl::IsAlreadyExists(shop.Add(*store, "another").status()));
  REQUIRE_OK(store->Delete("6.6.6-test"));
  CHECK(ValueOf(store->Default()).name == "another");
  REQUIRE_OK(store->Delete("another"));
  CHECK(absl::IsNotFound(store->Delete("another")));
  CHECK(absl::IsNotFound(store->Default().status()));
  CHECK(ValueOf(shop.Add(*store, "new")).is_default);
}

TEST_CASE("a new agent goes into the initramfs at the next look", "[images][kernel]") {
  KernelShop shop;
  auto store = shop.Open();
  const KernelRecord kernel = ValueOf(shop.Add(*store, "k1"));
  const std::string before = ValueOf(ReadFile(kernel.initramfs));
  CHECK(before.find("agent 1") != before.npos);
  shop.Put("agent", "agent 2, larger");
  CHECK(ValueOf(store->Default()) == kernel);
  const std::string after = ValueOf(ReadFile(kernel.initramfs));
  CHECK(after.find("agent 2, larger") != after.npos);
  CHECK(after.find("modules/virtio_blk.ko") != after.npos);
  // The same bytes with another time change nothing.
  shop.Put("agent", "agent 2, larger");
  const auto written = std::filesystem::last_write_time(kernel.initramfs);
  REQUIRE_OK(store->Get("k1"));
  CHECK(std::filesystem::last_write_time(kernel.initramfs) == written);
}

TEST_CASE("a missing agent, kernel file or good name is told before any work", "[images][kernel]") {
  KernelShop shop;
  auto store = shop.Open();
  CHECK(absl::IsNotFound(store->Add({"/nowhere/vmlinux", "k1", ""}, {}, Soon()).status()));
  CHECK(absl::IsInvalidArgument(shop.Add(*store, "../k1").status()));
  std::filesystem::remove(shop.Path("agent"));
  CHECK(absl::IsNotFound(shop.Add(*store, "k1").status()));
  CHECK(shop.Entries() == 0);
}

TEST_CASE("Debian's cloud kernel is fetched, unpacked and built without root's help",
          "[images][kernel][apt]") {
  KernelShop shop;
  auto store = shop.Open();
  const auto kernel = store->Add({"debian", "", ""}, {}, Soon());
  if (absl::IsUnavailable(kernel.status()) || absl::IsNotFound(kernel.status())) {
    EMBER_SKIP("apt can't download here: " + std::string(Message(kernel.status())));
  }
  REQUIRE_OK(kernel);
  CHECK(kernel->name == "debian");
  CHECK(kernel->version.find("-cloud-") != std::string::npos);
  CHECK(ValueOf(ReadFile(kernel->initramfs)).find("virtio_blk.ko") != std::string::npos);
  CHECK(shop.Entries() == 2);  // the kernel and "default"
}

}  // namespace
}  // namespace ember::images
