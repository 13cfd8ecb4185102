#include "guest-agent/boot/identity.h"

#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "base/file.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

using namespace ember;
using namespace ember::agent;
using ember::testing::TempDir;
using ember::testing::ValueOf;

namespace {

constexpr char kOldMachineId[] = "0123456789abcdef0123456789abcdef\n";

// The root of an image.
class Tree {
 public:
  void Write(const std::string& path, const std::string& content) {
    std::filesystem::create_directories((root_.path() / path).parent_path());
    std::ofstream(root_.path() / path) << content;
  }
  void Link(const std::string& target, const std::string& path) {
    std::filesystem::create_directories((root_.path() / path).parent_path());
    std::filesystem::create_symlink(target, root_.path() / path);
  }
  std::string Read(const std::string& path) const { return ValueOf(ReadFile(root_.path() / path)); }
  bool Has(const std::string& path) const {
    return std::filesystem::exists(std::filesystem::symlink_status(root_.path() / path));
  }
  RootFiles files() const { return ValueOf(RootFiles::Open(root_.path())); }
  const std::filesystem::path& path() const { return root_.path(); }

  NewIdentity Renew(const std::string& instance, const std::string& hostname = "web") const {
    return ValueOf(RenewIdentity(files(), instance, hostname));
  }
  // Renew, and the end of it.
  NewIdentity Boot(const std::string& instance) const {
    NewIdentity identity = Renew(instance);
    if (identity.renewed) REQUIRE_OK(RecordIdentity(files(), instance));
    return identity;
  }

 private:
  TempDir root_;
};

}  // namespace

TEST_CASE("a disk of another VM becomes this one's", "[agent][identity]") {
  Tree tree;
  tree.Write("etc/machine-id", kOldMachineId);
  tree.Write("etc/hostname", "other\n");
  tree.Write("etc/ssh/ssh_host_rsa_key", "private");
  tree.Write("etc/ssh/ssh_host_rsa_key.pub", "public");
  tree.Write("etc/ssh/ssh_host_ed25519_key", "private");
  tree.Write("etc/ssh/sshd_config", "Port 22\n");
  tree.Write("etc/dropbear/dropbear_ed25519_host_key", "private");
  tree.Write("var/lib/systemd/random-seed", "seed");
  tree.Write("var/lib/ember/instance-id", "another\n");
  const NewIdentity identity = tree.Boot("mine");
  CHECK(identity.renewed);
  CHECK(tree.Read("etc/machine-id").size() == 33);
  CHECK(tree.Read("etc/machine-id") != kOldMachineId);
  CHECK(tree.Read("etc/hostname") == "web\n");
  CHECK_FALSE(tree.Has("etc/ssh/ssh_host_rsa_key"));
  CHECK_FALSE(tree.Has("etc/ssh/ssh_host_rsa_key.pub"));
  CHECK_FALSE(tree.Has("etc/dropbear/dropbear_ed25519_host_key"));
  CHECK_FALSE(tree.Has("var/lib/systemd/random-seed"));
  CHECK(tree.Read("etc/ssh/sshd_config") == "Port 22\n");
  CHECK(tree.Read("var/lib/ember/instance-id") == "mine\n");
  // The keys that there were, the quickest to make first.
  REQUIRE(identity.key_commands.size() == 3);
  CHECK(identity.key_commands[0].back() == "/etc/ssh/ssh_host_ed25519_key");
  CHECK(identity.key_commands[1].front() == "dropbearkey");
  CHECK(identity.key_commands[2].back() == "/etc/ssh/ssh_host_rsa_key");
}

TEST_CASE("a disk that is this VM's is left as it is", "[agent][identity]") {
  Tree tree;
  tree.Write("etc/machine-id", kOldMachineId);
  CHECK(tree.Boot("mine").renewed);
  const std::string id = tree.Read("etc/machine-id");
  tree.Write("etc/hostname", "chosen\n");
  tree.Write("etc/ssh/ssh_host_ed25519_key", "made");
  CHECK(tree.Boot("mine") == NewIdentity{});
  CHECK(tree.Read("etc/machine-id") == id);
  CHECK(tree.Read("etc/hostname") == "chosen\n");
  CHECK(tree.Has("etc/ssh/ssh_host_ed25519_key"));
}

TEST_CASE("a boot that is cut off renews all of it again", "[agent][identity]") {
  Tree tree;
  tree.Write("etc/machine-id", kOldMachineId);
  CHECK(tree.Renew("mine").renewed);
  CHECK(tree.Boot("mine").renewed);
  CHECK_FALSE(tree.Boot("mine").renewed);
}

TEST_CASE("what an image does not have is not made", "[agent][identity]") {
  Tree tree;
  CHECK(tree.Boot("mine").key_commands.empty());
  CHECK_FALSE(tree.Has("etc"));
  CHECK(tree.Read("var/lib/ember/instance-id") == "mine\n");
}

TEST_CASE("a machine id that is for the init to fill in stays so", "[agent][identity]") {
  Tree tree;
  for (const std::string content : {"", "uninitialized\n"}) {
    tree.Write("etc/machine-id", content);
    CHECK(tree.Renew("mine").renewed);
    CHECK(tree.Read("etc/machine-id") == content);
  }
}

TEST_CASE("no link leads a write elsewhere", "[agent][identity]") {
  Tree tree;
  TempDir elsewhere;
  const auto outside = elsewhere / "machine-id";
  std::ofstream(outside) << kOldMachineId;
  std::ofstream(elsewhere / "random-seed") << "seed";
  tree.Link(outside, "etc/machine-id");
  tree.Link("../../etc/shadow", "etc/hostname");
  tree.Write("etc/shadow", "secret");
  tree.Link(elsewhere.path(), "var/lib/systemd");
  tree.Link("/../../../../../../.." + elsewhere.path().native(), "var/lib/ember");
  CHECK(tree.Renew("mine").renewed);
  CHECK_FALSE(RecordIdentity(tree.files(), "mine").ok());
  CHECK(ValueOf(ReadFile(outside)) == kOldMachineId);
  CHECK(std::filesystem::exists(elsewhere / "random-seed"));
  CHECK_FALSE(std::filesystem::exists(elsewhere / "instance-id"));
  CHECK(tree.Read("etc/shadow") == "secret");
}

TEST_CASE("links within the image are followed as the image means them", "[agent][identity]") {
  Tree tree;
  tree.Write("data/lib/systemd/random-seed", "seed");
  tree.Link("/data", "var");
  CHECK(tree.Boot("mine").renewed);
  CHECK_FALSE(tree.Has("data/lib/systemd/random-seed"));
  CHECK(tree.Read("data/lib/ember/instance-id") == "mine\n");
}

TEST_CASE("without an id of the VM nothing is changed", "[agent][identity]") {
  Tree tree;
  tree.Write("etc/machine-id", kOldMachineId);
  CHECK(tree.Renew("") == NewIdentity{});
  CHECK(tree.Read("etc/machine-id") == kOldMachineId);
}

TEST_CASE("a file is replaced as a whole, over what a cut-off boot left", "[agent][identity]") {
  Tree tree;
  tree.Write("etc/.hostname.ember-new", "half");
  tree.Write("etc/hostname", "old\n");
  REQUIRE_OK(tree.files().Replace("/etc/hostname", "new\n", 0640));
  CHECK(tree.Read("etc/hostname") == "new\n");
  CHECK_FALSE(tree.Has("etc/.hostname.ember-new"));
  struct stat status {};
  REQUIRE(stat((tree.path() / "etc/hostname").c_str(), &status) == 0);
  CHECK((status.st_mode & 07777) == 0640);
  std::filesystem::create_directory(tree.path() / "etc/folder");
  CHECK(absl::IsFailedPrecondition(tree.files().Replace("/etc/folder", "x", 0600)));
  CHECK(absl::IsNotFound(tree.files().Replace("/absent/file", "x", 0600)));
}
