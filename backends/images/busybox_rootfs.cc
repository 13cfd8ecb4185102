#include "backends/images/busybox_rootfs.h"

#include <sys/stat.h>

#include <cerrno>
#include <set>
#include <string>

#include "absl/strings/str_split.h"
#include "backends/images/apt_client.h"
#include "backends/images/deb_package.h"
#include "backends/images/staging_dir.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "base/subprocess.h"

namespace ember::images {
namespace {

// Applets that would be taken for the image's init, or that start one.
const std::set<std::string, std::less<>> kLeftOut = {"busybox", "init", "linuxrc", "run-init"};

constexpr std::string_view kPasswd =
    "root:x:0:0:root:/root:/bin/sh\n"
    "daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n"
    "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n";
constexpr std::string_view kGroup = "root:x:0:\ndaemon:x:1:\ntty:x:5:\nnogroup:x:65534:\n";
constexpr std::string_view kShadow = "root:*:1::::::\ndaemon:*:1::::::\nnobody:*:1::::::\n";
constexpr std::string_view kHosts =
    "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n";
constexpr std::string_view kProfile =
    "export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"
    "[ \"$(id -u)\" -eq 0 ] && PS1='# ' || PS1='$ '\nexport PS1\n";

// Collects entries with one line each.
class RootfsList {
 public:
  void Folder(std::string path, uint32_t mode = 0755) {
    Add(std::move(path), EntryType::kDirectory, mode, "", "");
  }
  void Link(std::string path, std::string target) {
    Add(std::move(path), EntryType::kSymlink, 0777, std::move(target), "");
  }
  void File(std::string path, std::string_view content, uint32_t mode = 0644) {
    Add(std::move(path), EntryType::kFile, mode, "", std::string(content));
  }
  std::vector<ListedEntry> Take() && { return std::move(list_); }

 private:
  void Add(std::string path, EntryType type, uint32_t mode, std::string target,
           std::string content) {
    ListedEntry listed;
    listed.entry.path = std::move(path);
    listed.entry.type = type;
    listed.entry.mode = mode;
    listed.entry.target = std::move(target);
    listed.content = std::move(content);
    list_.push_back(std::move(listed));
  }

  std::vector<ListedEntry> list_;
};

std::string OsRelease(const std::string& version) {
  return fmt::format(
      "NAME=\"Ember BusyBox\"\nID=ember-busybox\nID_LIKE=debian\nVERSION_ID=\"{0}\"\n"
      "PRETTY_NAME=\"Ember BusyBox image (Debian busybox {0})\"\n",
      version);
}

void AddFolders(RootfsList& list) {
  for (const char* path : {"dev",      "etc",       "home",      "mnt",           "opt",
                           "proc",     "run",       "srv",       "sys",           "usr",
                           "usr/bin",  "usr/lib",   "usr/local", "usr/local/bin", "usr/local/sbin",
                           "usr/sbin", "usr/share", "var",       "var/cache",     "var/lib",
                           "var/log",  "var/spool"}) {
    list.Folder(path);
  }
  list.Folder("root", 0700);
  list.Folder("tmp", 01777);
  list.Folder("var/tmp", 01777);
  list.Link("bin", "usr/bin");
  list.Link("sbin", "usr/sbin");
  list.Link("lib", "usr/lib");
  list.Link("var/run", "/run");
}

void AddSettings(RootfsList& list, const std::string& version) {
  list.File("etc/passwd", kPasswd);
  list.File("etc/group", kGroup);
  list.File("etc/shadow", kShadow, 0600);
  list.File("etc/hosts", kHosts);
  list.File("etc/hostname", "ember\n");
  list.File("etc/resolv.conf", "");
  list.File("etc/profile", kProfile);
  list.File("etc/shells", "/bin/sh\n/bin/ash\n");
  list.File("etc/os-release", OsRelease(version));
}

// Links for the lines of "busybox --list-full" ("usr/bin/awk"); /bin and /sbin are in /usr here.
absl::Status AddApplets(RootfsList& list, const std::string& applets) {
  size_t links = 0;
  const std::vector<std::string> paths = absl::StrSplit(applets, '\n', absl::SkipEmpty());
  for (const std::string& path : paths) {
    const std::string name = path.substr(path.rfind('/') + 1);
    if (name.empty() || kLeftOut.contains(name)) continue;
    const bool system = path.find("sbin/") != path.npos;
    list.Link((system ? "usr/sbin/" : "usr/bin/") + name, system ? "../bin/busybox" : "busybox");
    ++links;
  }
  if (links == 0) return Internal("busybox names no applets");
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<ListedEntry>> MakeBusyboxRootfs(const std::filesystem::path& scratch,
                                                           const ProgressSink& sink,
                                                           const Cancellation& cancellation) {
  AptClient apt(scratch);
  ASSIGN_OR_RETURN(const DebFile deb, apt.Download("busybox-static", sink, cancellation));
  Report(sink, {"unpacking", deb.package + " " + deb.version});
  std::string program;
  RETURN_IF_ERROR(ReadDebFiles(
      deb.path,
      [](std::string_view path) { return path == "bin/busybox" || path == "usr/bin/busybox"; },
      [&program](const std::string&, const std::string& content) {
        program = content;
        return absl::OkStatus();
      },
      cancellation));
  const std::filesystem::path file = scratch / "busybox";
  RETURN_IF_ERROR(WriteScratchFile(file, program));
  if (chmod(file.c_str(), 0755) != 0) return ErrnoStatus(errno, file.native());
  ASSIGN_OR_RETURN(const std::string applets,
                   RunToolForOutput({file.native(), "--list-full"}, cancellation));
  RootfsList list;
  AddFolders(list);
  AddSettings(list, deb.version);
  list.File("usr/bin/busybox", program, 0755);
  RETURN_IF_ERROR(AddApplets(list, applets));
  return std::move(list).Take();
}

}  // namespace ember::images
