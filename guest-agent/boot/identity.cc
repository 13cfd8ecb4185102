#include "guest-agent/boot/identity.h"

#include <algorithm>
#include <array>
#include <optional>

#include "base/file.h"
#include "base/status.h"
#include "base/status_macros.h"

namespace ember::agent {
namespace {

constexpr std::string_view kInstanceId = "/var/lib/ember/instance-id";
constexpr std::string_view kMachineId = "/etc/machine-id";
// A copy where it is no link to the first.
constexpr std::string_view kDbusMachineId = "/var/lib/dbus/machine-id";
constexpr size_t kMachineIdDigits = 32;

constexpr std::array<std::string_view, 5> kSeeds = {
    "/var/lib/systemd/random-seed", "/var/lib/urandom/random-seed", "/var/lib/misc/random-seed",
    "/var/lib/seedrng/seed.credit", "/var/lib/seedrng/seed.no-credit"};

// The kinds of keys of a server, the quickest to make first.
struct KeyKind {
  std::string_view file;  // the private key
  std::vector<std::string> command;
};

std::vector<KeyKind> KeyKinds() {
  const auto openssh = [](const char* type, const char* file) {
    return std::vector<std::string>{"ssh-keygen", "-q", "-t", type, "-N", "", "-f", file};
  };
  const auto dropbear = [](const char* type, const char* file) {
    return std::vector<std::string>{"dropbearkey", "-t", type, "-f", file};
  };
  return {
      {"/etc/ssh/ssh_host_ed25519_key", openssh("ed25519", "/etc/ssh/ssh_host_ed25519_key")},
      {"/etc/ssh/ssh_host_ecdsa_key", openssh("ecdsa", "/etc/ssh/ssh_host_ecdsa_key")},
      {"/etc/dropbear/dropbear_ed25519_host_key",
       dropbear("ed25519", "/etc/dropbear/dropbear_ed25519_host_key")},
      {"/etc/dropbear/dropbear_ecdsa_host_key",
       dropbear("ecdsa", "/etc/dropbear/dropbear_ecdsa_host_key")},
      {"/etc/ssh/ssh_host_rsa_key", openssh("rsa", "/etc/ssh/ssh_host_rsa_key")},
      {"/etc/dropbear/dropbear_rsa_host_key",
       dropbear("rsa", "/etc/dropbear/dropbear_rsa_host_key")},
  };
}

bool IsHostKey(std::string_view name) {
  const bool openssh = name.starts_with("ssh_host_") && name.find("_key") != std::string_view::npos;
  const bool dropbear = name.starts_with("dropbear_") && name.ends_with("_host_key");
  return openssh || dropbear;
}

std::string FirstLine(const std::string& text) { return text.substr(0, text.find('\n')); }

// An empty file, or "uninitialized", is for the image's init to fill in, machine-id(5); one that is
// not there was not wanted.
absl::Status RenewMachineId(const RootFiles& root) {
  ASSIGN_OR_RETURN(std::string id, RandomUuid());
  id.erase(std::remove(id.begin(), id.end(), '-'), id.end());
  for (const std::string_view path : {kMachineId, kDbusMachineId}) {
    ASSIGN_OR_RETURN(const std::optional<std::string> old, root.Read(path));
    if (!old.has_value() || FirstLine(*old).size() != kMachineIdDigits) continue;
    RETURN_IF_ERROR(root.Replace(path, id + "\n", 0444));
  }
  return absl::OkStatus();
}

absl::Status RemoveHostKeys(const RootFiles& root, NewIdentity& identity) {
  for (const KeyKind& kind : KeyKinds()) {
    ASSIGN_OR_RETURN(const std::optional<std::string> key, root.Read(kind.file));
    if (key.has_value()) identity.key_commands.push_back(kind.command);
  }
  for (const std::string_view folder : {"/etc/ssh", "/etc/dropbear"}) {
    for (const std::string& name : root.List(folder)) {
      if (IsHostKey(name)) RETURN_IF_ERROR(root.Remove(fmt::format("{}/{}", folder, name)));
    }
  }
  return absl::OkStatus();
}

absl::Status RemoveSeeds(const RootFiles& root) {
  for (const std::string_view seed : kSeeds) RETURN_IF_ERROR(root.Remove(seed));
  return absl::OkStatus();
}

absl::Status SetHostnameFile(const RootFiles& root, std::string_view hostname) {
  if (hostname.empty()) return absl::OkStatus();
  const absl::Status set = root.Replace("/etc/hostname", fmt::format("{}\n", hostname), 0644);
  // An image without /etc, or with a link there, has its own idea of it.
  const bool not_ours = absl::IsNotFound(set) || absl::IsFailedPrecondition(set);
  return not_ours ? absl::OkStatus() : set;
}

}  // namespace

absl::StatusOr<NewIdentity> RenewIdentity(const RootFiles& root, std::string_view instance,
                                          std::string_view hostname) {
  NewIdentity identity;
  if (instance.empty() || !root.writable()) return identity;
  ASSIGN_OR_RETURN(const std::optional<std::string> known, root.Read(kInstanceId));
  if (known.has_value() && FirstLine(*known) == instance) return identity;
  identity.renewed = true;
  absl::Status all = RenewMachineId(root);
  all.Update(RemoveHostKeys(root, identity));
  all.Update(RemoveSeeds(root));
  all.Update(SetHostnameFile(root, hostname));
  RETURN_IF_ERROR(all);
  return identity;
}

absl::Status RecordIdentity(const RootFiles& root, std::string_view instance) {
  constexpr std::array<std::string_view, 3> kFolders = {"/var", "/var/lib", "/var/lib/ember"};
  for (const std::string_view folder : kFolders) RETURN_IF_ERROR(root.MakeFolder(folder));
  RETURN_IF_ERROR(root.Sync());
  return root.Replace(kInstanceId, fmt::format("{}\n", instance), 0644);
}

}  // namespace ember::agent
