// What a kernel tells about itself, and which kernels are refused.
#include <map>

#include "backends/images/kernel_config.h"
#include "backends/images/kernel_drivers.h"
#include "backends/images/kernel_source.h"
#include "base/status.h"
#include "tests/backends/images/kernel_shop.h"
#include "tests/backends/images/web_server.h"
#include "tests/support/catch.h"

namespace ember::images {
namespace {

using testing::Compress;
using testing::EmbeddedConfig;
using testing::FakeBzImage;
using testing::FakeModule;
using testing::FakeVmlinux;
using testing::KernelShop;
using testing::ValueOf;
using testing::WebServer;

Cancellation Soon() { return Cancellation::After(absl::Minutes(2)); }
constexpr char kWholeConfig[] =
    "# a comment\nCONFIG_VIRTIO_PCI=y\nCONFIG_VIRTIO_BLK=y\nCONFIG_EXT4_FS=y\n"
    "CONFIG_VIRTIO_VSOCKETS=y\nCONFIG_VIRTIO_NET=m\nCONFIG_LOCALVERSION=\"x\"\n";

bool Contains(const absl::Status& status, std::string_view part) {
  return Message(status).find(part) != std::string_view::npos;
}

std::map<std::string, DriverPlace> PlacesOf(const KernelRecord& kernel) {
  std::map<std::string, DriverPlace> places;
  for (const KernelDriver& driver : kernel.drivers) places[driver.name] = driver.place;
  return places;
}

// A kernel file alone, without a folder of modules.
absl::StatusOr<KernelRecord> AddAlone(KernelShop& shop, const std::string& content) {
  shop.Put("alone", content);
  return shop.Open()->Add({shop.Path("alone").native(), "alone"}, {}, Soon());
}

TEST_CASE("a kernel tells its drivers by its modules and what is built in", "[images][kernel]") {
  KernelShop shop;
  auto store = shop.Open();
  const KernelRecord kernel = ValueOf(shop.Add(*store, "k1"));
  auto places = PlacesOf(kernel);
  CHECK(places["virtio_blk"] == DriverPlace::kModule);
  CHECK(places["ext4"] == DriverPlace::kBuiltIn);
  CHECK(places["virtio_mmio"] == DriverPlace::kAbsent);
  CHECK(kernel.pvh);
  CHECK(kernel.source == "file:" + shop.Path("vmlinux").native());
  CHECK(kernel.missing == std::vector<std::string>{"firecracker: no driver 'virtio_mmio'"});
  // The same after a restart.
  CHECK(ValueOf(shop.Open()->Get("k1")) == kernel);
}

TEST_CASE("the configuration that a kernel carries tells its drivers", "[images][kernel]") {
  KernelShop shop;
  // The marks alone are words of the kernel's code.
  const KernelRecord kernel = ValueOf(AddAlone(
      shop, FakeVmlinux("6.6.6-test") + "IKCFG_STIKCFG_ED" + EmbeddedConfig(kWholeConfig)));
  auto places = PlacesOf(kernel);
  CHECK(places["ext4"] == DriverPlace::kBuiltIn);
  CHECK(places["virtio_net"] == DriverPlace::kAbsent);  // a module of which there is no file
  CHECK(places["virtio_rng"] == DriverPlace::kAbsent);
}

TEST_CASE("what nothing tells is unknown and no reason to refuse", "[images][kernel]") {
  KernelShop shop;
  std::string content = FakeVmlinux("6.6.6-test");
  SECTION("no configuration") {}
  SECTION("a damaged one") { content += "IKCFG_ST\x1f\x8b garbage IKCFG_ED"; }
  const KernelRecord kernel = ValueOf(AddAlone(shop, content));
  for (const auto& [name, place] : PlacesOf(kernel)) CHECK(place == DriverPlace::kUnknown);
  CHECK(kernel.missing.empty());
}

TEST_CASE("a kernel that can't boot here is refused with the reason", "[images][kernel]") {
  KernelShop shop;
  auto code = absl::StatusCode::kFailedPrecondition;
  absl::Status status;
  std::string reason;
  const std::string gone =
      GENERATE("virtio_pci", "virtio_blk", "ext4", "vmw_vsock_virtio_transport");
  SECTION("a driver is neither built in nor a module") {
    shop.Put("modules/modules.builtin", "kernel/drivers/virtio/virtio.ko\n");
    for (const char* name : {"virtio_pci", "ext4"}) shop.Module(name, "");
    std::filesystem::remove(shop.Path("modules/kernel/" + gone + ".ko"));
    auto store = shop.Open();
    status = shop.Add(*store, "k1").status();
    reason = "no driver '" + gone +
             "', without which no VM starts here: neither built in nor a "
             "module in " +
             shop.Path("modules").native();
  }
  SECTION("its configuration has a module that is not there") {
    status =
        AddAlone(shop, FakeVmlinux("6.6.6") + EmbeddedConfig("CONFIG_VIRTIO_BLK=m\n")).status();
    reason = "not built in, and there is no folder of modules";
  }
  SECTION("the modules are another kernel's") {
    shop.Put("modules/kernel/virtio_blk.ko", FakeModule("", "5.10.0-other"));
    auto store = shop.Open();
    status = shop.Add(*store, "k1").status();
    reason = "are for kernel 5.10.0-other, not for 6.6.6-test";
  }
  SECTION("it has no PVH entry and is no bzImage") {
    status = AddAlone(shop, FakeVmlinux("6.6.6", 17)).status();
    code = absl::StatusCode::kInvalidArgument;
    reason = "without a PVH entry note";
  }
  SECTION("another machine's") {
    std::string content = FakeVmlinux("6.6.6");
    content[18] = static_cast<char>(EM_RISCV);
    content[19] = 0;
    status = AddAlone(shop, content).status();
    code = absl::StatusCode::kInvalidArgument;
    reason = "is a kernel for riscv; this host is";
  }
  INFO(status.ToString());
  CHECK(status.code() == code);
  CHECK(Contains(status, reason));
  CHECK(shop.Entries() == 0);
}

TEST_CASE("a bzImage whose kernel has no PVH entry boots as a whole", "[images][kernel]") {
  if (!ThisArchitecture().needs_pvh) EMBER_SKIP("a bzImage is for x86_64");
  KernelShop shop;
  const std::string vmlinux = FakeVmlinux("6.6.6-old", 17) + EmbeddedConfig(kWholeConfig);
  const std::string image =
      FakeBzImage("6.6.6-old #1", Compress(vmlinux, archive_write_add_filter_gzip), vmlinux.size());
  const KernelRecord kernel = ValueOf(AddAlone(shop, image));
  CHECK(ValueOf(ReadFile(kernel.vmlinux)) == image);
  CHECK_FALSE(kernel.pvh);
  CHECK(PlacesOf(kernel)["ext4"] == DriverPlace::kBuiltIn);
  REQUIRE(kernel.missing.size() == 1);
  CHECK(kernel.missing[0].starts_with("firecracker: no uncompressed kernel"));
}

TEST_CASE("another kernel becomes the default and stays it", "[images][kernel]") {
  KernelShop shop;
  auto store = shop.Open();
  REQUIRE_OK(shop.Add(*store, "first"));
  REQUIRE_OK(shop.Add(*store, "second"));
  CHECK(ValueOf(store->SetDefault("second")).is_default);
  CHECK(ValueOf(shop.Open()->Default()).name == "second");
  CHECK_FALSE(ValueOf(store->Get("first")).is_default);
  const absl::Status unknown = store->SetDefault("third").status();
  CHECK(absl::IsNotFound(unknown));
  CHECK(ValueOf(store->Default()).name == "second");
}

TEST_CASE("a name that lost its kernel is no default", "[images][kernel]") {
  KernelShop shop;
  auto store = shop.Open();
  REQUIRE_OK(shop.Add(*store, "only"));
  shop.Put("k/default", "gone");  // as after a crash in the middle of a delete
  CHECK(ValueOf(store->Default()).name == "only");
}

TEST_CASE("the host's kernel is found where distributions put it", "[images][kernel]") {
  testing::TempDir dir;
  const auto put = [&dir](const std::string& path) {
    REQUIRE_OK(MakeDirectories((dir / path).parent_path(), 0755));
    REQUIRE_OK(WriteFileAtomically(dir / path, "x", 0644));
  };
  const absl::Status none = FindInstalledKernel(dir.path(), "6.1.0").status();
  CHECK(absl::IsFailedPrecondition(none));
  CHECK(Contains(none, (dir / "boot/vmlinuz-6.1.0").native() + " does not exist"));
  CHECK(HintOf(none).value_or("").find("ember kernel add debian") != std::string::npos);

  put("lib/modules/6.1.0/vmlinuz");
  CHECK(ValueOf(FindInstalledKernel(dir.path(), "6.1.0")).kernel ==
        dir / "lib/modules/6.1.0/vmlinuz");
  put("boot/vmlinuz-6.1.0");
  const KernelFiles usual = ValueOf(FindInstalledKernel(dir.path(), "6.1.0"));
  CHECK(usual.kernel == dir / "boot/vmlinuz-6.1.0");
  CHECK(usual.modules == dir / "lib/modules/6.1.0");
  CHECK(usual.source == "host:6.1.0");
}

TEST_CASE("a kernel comes from an address with its digest checked", "[images][kernel]") {
  KernelShop shop;
  auto store = shop.Open();
  const std::string vmlinux = ValueOf(ReadFile(shop.Path("vmlinux")));
  const WebServer server(
      [&](const std::string&) { return WebServer::Answer{WebServer::Ok(vmlinux)}; });
  KernelSource source{server.Url("/pool/vmlinux?key=secret"), "web", shop.Path("modules")};
  source.sha256 = std::string(64, '0');
  const absl::Status other = store->Add(source, {}, Soon()).status();
  CHECK(other.code() == absl::StatusCode::kDataLoss);
  CHECK(Contains(other, "its digest is sha256:"));
  CHECK(shop.Entries() == 0);
  const std::string words(Message(other));
  const size_t digest_at = words.find("sha256:");
  source.sha256 = words.substr(digest_at + 7, 64);
  const KernelRecord kernel = ValueOf(store->Add(source, {}, Soon()));
  CHECK(kernel.source == "url:" + server.Url("/pool/vmlinux"));
  CHECK(kernel.version == "6.6.6-test");
}

TEST_CASE("parts of a source that don't go together are refused", "[images][kernel]") {
  const std::string digest(64, 'a');
  CHECK(absl::IsInvalidArgument(CheckKernelSource({"debian", "", "/lib/modules/x"})));
  CHECK(absl::IsInvalidArgument(CheckKernelSource({"host", "", "/lib/modules/x"})));
  CHECK(absl::IsInvalidArgument(CheckKernelSource({"debian", "", "", digest})));
  CHECK(absl::IsInvalidArgument(CheckKernelSource({"/vmlinux", "", "", "12ab"})));
  CHECK(absl::IsInvalidArgument(CheckKernelSource({"/vmlinux", "", "", std::string(64, 'g')})));
  CHECK(absl::IsInvalidArgument(CheckKernelSource({"debian:", ""})));
  CHECK(absl::IsInvalidArgument(CheckKernelSource({"debian:-oAPT::x", ""})));
  CHECK(CheckKernelSource({"/vmlinux", "", "/lib/modules/x", "sha256:" + digest}).ok());
  CHECK(KernelNameOf({"debian:trixie", ""}) == "debian-trixie");
  CHECK(KernelNameOf({"host", ""}) == "host");
  CHECK(KernelNameOf({"/vmlinux", ""}).empty());
}

TEST_CASE("a suite's kernel is fetched with its signatures checked", "[images][kernel][apt]") {
  KernelShop shop;
  auto store = shop.Open();
  const auto kernel = store->Add({"debian:trixie", ""}, {}, Soon());
  if (absl::IsUnavailable(kernel.status()) || absl::IsFailedPrecondition(kernel.status())) {
    EMBER_SKIP("apt can't download here: " + std::string(Message(kernel.status())));
  }
  REQUIRE_OK(kernel);
  CHECK(kernel->name == "debian-trixie");
  CHECK(kernel->version.starts_with("6.12."));
  CHECK(PlacesOf(*kernel)["vmw_vsock_virtio_transport"] == DriverPlace::kModule);
  CHECK(kernel->missing.empty());
}

}  // namespace
}  // namespace ember::images
