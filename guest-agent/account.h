#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

// Users and groups, read from the guest's own files: a static program has no getpwnam(3).
namespace ember::agent {

// Who a process runs as.
struct Account {
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;  // supplementary, without gid
  std::string name;           // the uid as a number where /etc/passwd has no name for it
  std::string home;           // "/" where it is not known
  std::string shell;          // "/bin/sh" where it is not known

  friend bool operator==(const Account&, const Account&) = default;
};

// The text of /etc/passwd and /etc/group; empty where there is no such file.
struct AccountFiles {
  std::string passwd;
  std::string group;

  static AccountFiles Read();
};

// Looks up "name", "uid", "name:group" or "uid:gid" (names go before numbers). Malformed lines are
// skipped. An explicit group replaces the supplementary ones. A uid without a line gets a group of
// the same number, never group 0 by accident. NotFound for a name that has no line;
// InvalidArgument for an empty part.
absl::StatusOr<Account> ResolveAccount(std::string_view spec, const AccountFiles& files);

}  // namespace ember::agent
