#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace ember::agent {

// Names of users and groups by their numbers, from the guest's files. A value.
class IdNames {
 public:
  IdNames(std::string_view passwd, std::string_view group);
  // The guest's own, as they are now.
  static IdNames Read();

  // Empty where the number has no name.
  std::string User(uid_t uid) const;
  std::string Group(gid_t gid) const;

 private:
  std::map<uint32_t, std::string> users_;
  std::map<uint32_t, std::string> groups_;
};

}  // namespace ember::agent
