#include "guest-agent/account.h"

#include <algorithm>
#include <charconv>
#include <functional>
#include <optional>

#include "base/file.h"
#include "base/status.h"
#include "base/status_macros.h"

namespace ember::agent {
namespace {

// uid_t(-1) means "no change" to the kernel, so it is no id.
std::optional<uint32_t> NumberOf(std::string_view word) {
  uint32_t number = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
  if (word.empty() || error != std::errc() || end != word.data() + word.size()) return std::nullopt;
  if (number == UINT32_MAX) return std::nullopt;
  return number;
}

std::vector<std::string_view> Split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

using Fields = std::vector<std::string_view>;

// The fields of the first line with at least `count` of them that `matches`.
std::optional<Fields> FindLine(std::string_view text, size_t count,
                               const std::function<bool(const Fields&)>& matches) {
  for (const std::string_view line : Split(text, '\n')) {
    Fields fields = Split(line, ':');
    if (fields.size() >= count && !fields[0].empty() && matches(fields)) return fields;
  }
  return std::nullopt;
}

// name:password:uid:gid:comment:home:shell, passwd(5). Names go before numbers.
std::optional<Fields> FindUser(std::string_view user, std::string_view passwd) {
  const auto usable = [](const Fields& fields) {
    return NumberOf(fields[2]) && NumberOf(fields[3]);
  };
  auto found = FindLine(passwd, 7, [&usable, user](const Fields& fields) {
    return fields[0] == user && usable(fields);
  });
  const auto uid = NumberOf(user);
  if (found.has_value() || !uid.has_value()) return found;
  return FindLine(passwd, 7, [&usable, uid](const Fields& fields) {
    return usable(fields) && NumberOf(fields[2]) == uid;
  });
}

absl::StatusOr<Account> UserOf(std::string_view user, std::string_view passwd) {
  if (const auto fields = FindUser(user, passwd); fields.has_value()) {
    const auto or_else = [](std::string_view value, std::string_view fallback) {
      return std::string(value.empty() ? fallback : value);
    };
    return Account{.uid = *NumberOf((*fields)[2]),
                   .gid = *NumberOf((*fields)[3]),
                   .name = std::string((*fields)[0]),
                   .home = or_else((*fields)[5], "/"),
                   .shell = or_else((*fields)[6], "/bin/sh")};
  }
  const auto uid = NumberOf(user);
  if (!uid.has_value()) return NotFound("user '{}' is not in /etc/passwd", user);
  // Root keeps its usual name and home also where the image has no /etc/passwd.
  return Account{.uid = *uid,
                 .gid = *uid,
                 .name = *uid == 0 ? "root" : std::string(user),
                 .home = *uid == 0 ? "/root" : "/",
                 .shell = "/bin/sh"};
}

// name:password:gid:member,member, group(5).
absl::StatusOr<gid_t> GroupOf(std::string_view group, std::string_view text) {
  const auto found = FindLine(text, 3, [group](const Fields& fields) {
    return fields[0] == group && NumberOf(fields[2]).has_value();
  });
  if (found.has_value()) return *NumberOf((*found)[2]);
  const auto gid = NumberOf(group);
  if (!gid.has_value()) return NotFound("group '{}' is not in /etc/group", group);
  return *gid;
}

std::vector<gid_t> MembershipsOf(const Account& account, std::string_view text) {
  std::vector<gid_t> groups;
  for (const std::string_view line : Split(text, '\n')) {
    const Fields fields = Split(line, ':');
    if (fields.size() < 4) continue;
    const auto gid = NumberOf(fields[2]);
    if (!gid.has_value() || *gid == account.gid) continue;
    const Fields members = Split(fields[3], ',');
    if (std::find(members.begin(), members.end(), account.name) == members.end()) continue;
    if (std::find(groups.begin(), groups.end(), *gid) == groups.end()) groups.push_back(*gid);
  }
  return groups;
}

}  // namespace

AccountFiles AccountFiles::Read() {
  // An image need not have these files: root and numbers work without.
  return {ReadFile("/etc/passwd").value_or(""), ReadFile("/etc/group").value_or("")};
}

absl::StatusOr<Account> ResolveAccount(std::string_view spec, const AccountFiles& files) {
  const size_t colon = spec.find(':');
  const std::string_view user = spec.substr(0, colon);
  if (user.empty()) return InvalidArgument("user '{}' has no name", spec);
  ASSIGN_OR_RETURN(Account account, UserOf(user == "root" ? "0" : user, files.passwd));
  if (colon == std::string_view::npos) {
    account.groups = MembershipsOf(account, files.group);
    return account;
  }
  const std::string_view group = spec.substr(colon + 1);
  if (group.empty()) return InvalidArgument("user '{}' has an empty group", spec);
  ASSIGN_OR_RETURN(account.gid, GroupOf(group, files.group));
  return account;
}

}  // namespace ember::agent
