#include "tests/bench/host/ssh_guest.h"

#include <cstdlib>

#include "base/file.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace ember::bench {
namespace {

using testing::ValueOf;

Cancellation Limit() { return Cancellation::After(absl::Seconds(600)); }

void MustRun(std::vector<std::string> argv) {
  INFO(argv[0]);
  REQUIRE_OK(RunToolForOutput(std::move(argv), Limit()));
}

// Debian's own, cut down to what a first connection needs.
constexpr const char* kServerConfig =
    "HostKey /etc/ssh/bench_key\n"
    "PermitRootLogin prohibit-password\n"
    "PasswordAuthentication no\n"
    "UseDNS no\n"
    "UsePAM no\n"
    "Subsystem sftp /usr/lib/openssh/sftp-server\n";

}  // namespace

bool SshGuest::IsPossible() {
  ToolOptions ssh;
  ssh.argv = {"ssh", "-V"};
  return RunTool(ssh, Limit()).ok();
}

SshGuest::SshGuest(testing::Installation& ember) : ember_(ember) {
  PrepareImage();
  ember_.EmberOk(
      {"vm", "create", "ssh", "--image", "sshd", "--memory", "256M", "--init", "agent", "--quiet"});
  StartServer();
  const auto forward = ember_.Json({"forward", "ssh", "0:22"});
  WriteConfig(std::to_string(forward["host"]["port"].get<int>()));
  auto open = Client("ssh", true);
  open.insert(open.end(), {"-fN", "guest"});
  MustRun(open);
}

SshGuest::~SshGuest() {
  auto close = Client("ssh", true);
  close.insert(close.end(), {"-O", "exit", "guest"});
  RunToolForOutput(close, Limit()).status().IgnoreError();
}

std::vector<std::string> SshGuest::Client(const std::string& program, bool shared) const {
  return {program, "-F", dir_ / (shared ? "shared" : "config")};
}

std::vector<std::string> SshGuest::Ssh(std::vector<std::string> words) const {
  auto argv = Client("ssh", false);
  argv.push_back("guest");
  argv.insert(argv.end(), words.begin(), words.end());
  return argv;
}

std::vector<std::string> SshGuest::SharedSsh(std::vector<std::string> words) const {
  auto argv = Client("ssh", true);
  argv.push_back("guest");
  argv.insert(argv.end(), words.begin(), words.end());
  return argv;
}

std::vector<std::string> SshGuest::Scp(std::vector<std::string> words) const {
  auto argv = Client("scp", false);
  argv.insert(argv.end(), {"-q", "-r"});
  argv.insert(argv.end(), words.begin(), words.end());
  return argv;
}

// Built in the first installation that wants it, and kept as an archive for later ones.
void SshGuest::PrepareImage() {
  const auto kept = *testing::PreparedState() / "bench-images" / "sshd.tar";
  if (std::filesystem::exists(kept)) {
    ember_.EmberOk({"image", "load", kept, "--name", "sshd", "--quiet"});
    return;
  }
  ember_.EmberOk({"image", "build", "sshd", "--from", "debian:bookworm", "--packages",
                  "openssh-server", "--quiet"});
  std::filesystem::create_directories(kept.parent_path());
  ember_.EmberOk({"image", "save", "sshd", "-o", kept, "--quiet"});
}

void SshGuest::StartServer() {
  MustRun({"ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", dir_ / "host"});
  MustRun({"ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", dir_ / "user"});
  ember_.Exec("ssh", {"mkdir", "-p", "-m", "700", "/run/sshd", "/root/.ssh"});
  const auto put = [this](const std::string& text, const std::string& path) {
    ember_.Exec("ssh", {"sh", "-c", "umask 077 && cat > \"$0\"", path}, text);
  };
  put(kServerConfig, "/etc/ssh/sshd_config");
  put(ValueOf(ReadFile(dir_ / "host")), "/etc/ssh/bench_key");
  put(ValueOf(ReadFile(dir_ / "user.pub")), "/root/.ssh/authorized_keys");
  ember_.EmberOk(
      {"exec", "ssh", "--detach", "--", "/usr/sbin/sshd", "-D", "-f", "/etc/ssh/sshd_config"});
  ember_.EmberOk({"vm", "wait", "ssh", "--for", "port:22", "--timeout", "60s"});
}

void SshGuest::WriteConfig(const std::string& port) {
  const std::string common = fmt::format(
      "Host guest\n  HostName 127.0.0.1\n  Port {}\n  User root\n"
      "  IdentityFile {}\n  IdentitiesOnly yes\n  UserKnownHostsFile {}\n"
      "  StrictHostKeyChecking accept-new\n  LogLevel ERROR\n",
      port, (dir_ / "user").native(), (dir_ / "known").native());
  REQUIRE_OK(WriteFileAtomically(dir_ / "config", common, 0600));
  REQUIRE_OK(WriteFileAtomically(
      dir_ / "shared",
      fmt::format("{}  ControlMaster auto\n  ControlPath {}\n  ControlPersist 600\n", common,
                  (dir_ / "m").native()),
      0600));
}

}  // namespace ember::bench
