#include "guest-agent/id_names.h"

#include <algorithm>
#include <charconv>

#include "base/utf8.h"
#include "guest-agent/account.h"

namespace ember::agent {
namespace {

// Lines of "NAME:PASSWORD:NUMBER…"; malformed ones are skipped, the first of a number counts.
std::map<uint32_t, std::string> NamesIn(std::string_view text) {
  std::map<uint32_t, std::string> names;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    const size_t first = line.find(':');
    const size_t second = first == std::string_view::npos ? first : line.find(':', first + 1);
    if (first == 0 || second == std::string_view::npos) continue;
    const std::string_view number =
        line.substr(second + 1, line.find(':', second + 1) - second - 1);
    uint32_t id = 0;
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), id);
    const bool whole = error == std::errc() && end == number.data() + number.size();
    if (whole) names.emplace(id, ToUtf8(line.substr(0, first)));
  }
  return names;
}

std::string NameOf(const std::map<uint32_t, std::string>& names, uint32_t id) {
  const auto found = names.find(id);
  return found == names.end() ? "" : found->second;
}

}  // namespace

IdNames::IdNames(std::string_view passwd, std::string_view group)
    : users_(NamesIn(passwd)), groups_(NamesIn(group)) {}

IdNames IdNames::Read() {
  const AccountFiles files = AccountFiles::Read();
  return IdNames(files.passwd, files.group);
}

std::string IdNames::User(uid_t uid) const { return NameOf(users_, uid); }
std::string IdNames::Group(gid_t gid) const { return NameOf(groups_, gid); }

}  // namespace ember::agent
