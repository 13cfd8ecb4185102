#include <sys/mount.h>

#include <fstream>

#include "guest-agent/boot/boot_options.h"
#include "guest-agent/boot/kernel_modules.h"
#include "guest-agent/boot/mount.h"
#include "guest-agent/boot/volume_mounts.h"
#include "tests/support/catch.h"
#include "tests/support/temp_dir.h"

using namespace ember;
using namespace ember::agent;
using ember::testing::TempDir;

TEST_CASE("an empty kernel command line boots the usual disk", "[agent][boot]") {
  const BootOptions options = ParseKernelCommandLine("console=ttyS0 quiet\n");
  CHECK(options == BootOptions{});
  CHECK(options.root == "/dev/vda");
  CHECK(options.root_type == "ext4");
}

TEST_CASE("the kernel command line says what to boot", "[agent][boot]") {
  const BootOptions options = ParseKernelCommandLine(
      "quiet ember.root=/dev/vdb ember.rootfstype=xfs ember.rootflags=ro,noatime "
      "ember.hostname=\"web one\" ember.init=agent init=/sbin/openrc-init ember.log=debug\n");
  CHECK(options.root == "/dev/vdb");
  CHECK(options.root_type == "xfs");
  CHECK(options.root_flags == "ro,noatime");
  CHECK(options.hostname == "web one");
  CHECK(options.choice == InitChoice::kAgent);
  CHECK(options.init == "/sbin/openrc-init");
  CHECK(options.log_level == LogLevel::kDebug);
}

TEST_CASE("the kernel command line says whose disk it is and what else to mount", "[agent][boot]") {
  const BootOptions options = ParseKernelCommandLine(
      "ember.instance=0b1c ember.mount=data:/srv/data ember.mount=\"ro:/a b:ro\" "
      "ember.mount=odd:/x:rw:ro ember.mount=:/x ember.mount=x ember.mount=x: ember.mount=x:y "
      "ember.mount=x:/");
  CHECK(options.instance == "0b1c");
  CHECK(options.volumes == std::vector<VolumeMount>{{"data", "/srv/data", false},
                                                    {"ro", "/a b", true},
                                                    {"odd", "/x:rw", true}});
}

TEST_CASE("a disk is found by its serial number", "[agent][boot]") {
  const TempDir sysfs;
  for (const char* disk : {"vda", "vdb", "vdc"}) {
    std::filesystem::create_directories(sysfs / "block" / disk);
  }
  std::ofstream(sysfs / "block/vdb/serial") << "data-2\n";
  std::ofstream(sysfs / "block/vdc/serial") << "data";
  CHECK(DiskWithSerial(sysfs.path(), "data") == "vdc");
  CHECK(DiskWithSerial(sysfs.path(), "data-2") == "vdb");
  CHECK(DiskWithSerial(sysfs.path(), "dat").empty());
}

TEST_CASE("values that make no sense leave the default", "[agent][boot]") {
  const BootOptions options =
      ParseKernelCommandLine("ember.root= ember.init=maybe ember.log=loud -- ember.root=/dev/x");
  CHECK(options == BootOptions{});
}

TEST_CASE("the module order keeps its order and drops what is no module", "[agent][boot]") {
  CHECK(ParseModuleOrder("virtio_ring\nvirtio.ko\n\n# disk\n  virtio_blk \r\n../../evil\nvsock") ==
        std::vector<std::string>{"virtio_ring", "virtio", "virtio_blk", "vsock"});
  CHECK(ParseModuleOrder("").empty());
}

TEST_CASE("mount options are split into flags and the rest", "[agent][boot]") {
  CHECK(ParseMountOptions("") == MountOptions{});
  CHECK(ParseMountOptions("ro,noatime,data=writeback,,barrier=0") ==
        MountOptions{MS_RDONLY | MS_NOATIME, "data=writeback,barrier=0"});
  CHECK(ParseMountOptions("ro,rw") == MountOptions{});
}

TEST_CASE("a mount point is told from a plain folder", "[agent][boot]") {
  CHECK(IsMountPoint("/proc"));
  CHECK_FALSE(IsMountPoint("/proc/self"));
}
