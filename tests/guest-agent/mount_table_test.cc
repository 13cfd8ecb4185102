#include "guest-agent/mount_table.h"

#include "tests/support/catch.h"

using namespace ember::agent;

namespace {

std::vector<std::string> PointsOf(const std::vector<MountEntry>& mounts) {
  std::vector<std::string> points;
  for (const MountEntry& mount : mounts) points.push_back(mount.mount_point);
  return points;
}

}  // namespace

TEST_CASE("mount points are read with their escapes undone", "[agent][mounts]") {
  CHECK(PointsOf(ParseMountTable(
            "36 35 98:0 / /mnt rw,noatime master:1 - ext3 /dev/root rw\n"
            "37 36 0:5 /a\\040b /tmp/a\\040b\\134c\\011d rw - tmpfs none rw\n\nshort\n"
            "38 36 0:5 / /odd\\04 rw - tmpfs none rw\n"
            "39 36 0:5 / /no/end rw master:1 master:2\n"
            "40 36 0:5 / /cut rw - tmpfs\n")) ==
        std::vector<std::string>{"/mnt", "/tmp/a b\\c\td", "/odd\\04"});
}

TEST_CASE("a mount tells its file system, and whether that is writable", "[agent][mounts]") {
  CHECK(ParseMountTable(
            "36 35 254:0 /sub /mnt ro,noatime shared:1 master:2 - ext4 /dev/my\\040disk "
            "rw,errors=remount-ro\n") == std::vector<MountEntry>{{.mount_point = "/mnt",
                                                                  .device = "254:0",
                                                                  .type = "ext4",
                                                                  .source = "/dev/my disk",
                                                                  .writable = true}});
  CHECK_FALSE(ParseMountTable("36 35 254:0 / /mnt rw - ext4 /dev/vda ro,rw\n").at(0).writable);
}

TEST_CASE("types that need no disk are passed over", "[agent][mounts]") {
  CHECK(ParseDiskTypes("nodev\tsysfs\n\text4\nnodev\ttmpfs\n\tvfat\n") ==
        std::vector<std::string>{"ext4", "vfat"});
}

TEST_CASE("each writable disk is once there, an inner one before its outer one",
          "[agent][mounts]") {
  const auto mounts = ParseMountTable(
      "1 0 254:0 / / rw - ext4 /dev/vda rw\n"
      "2 1 0:5 / /tmp rw - tmpfs none rw\n"
      "3 1 254:16 / /data rw - ext4 /dev/vdb rw\n"
      "4 1 254:32 / /cdrom ro - ext4 /dev/vdc ro\n"
      "5 3 7:0 / /data/inner rw - ext4 /dev/loop0 rw\n"
      "6 1 254:0 /srv /srv rw - ext4 /dev/vda rw\n");
  CHECK(PointsOf(WritableDisks(mounts, {"ext4", "xfs"})) ==
        std::vector<std::string>{"/data/inner", "/data", "/"});
  CHECK(WritableDisks(mounts, {"xfs"}).empty());
}
