#include "backends/images/debian_sources.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <set>
#include <string_view>

#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/status.h"
#include "base/status_macros.h"

namespace ember::images {
namespace {

bool IsWord(std::string_view text, std::string_view punctuation) {
  return !text.empty() && std::isalnum(static_cast<unsigned char>(text[0])) != 0 &&
         std::all_of(text.begin(), text.end(), [punctuation](unsigned char c) {
           return (std::isalnum(c) != 0 && std::isupper(c) == 0) ||
                  punctuation.find(static_cast<char>(c)) != punctuation.npos;
         });
}

// "bookworm-security" and "bookworm-updates" belong to "bookworm".
std::string BaseSuite(const std::string& release) { return release.substr(0, release.find('-')); }

}  // namespace

absl::Status CheckDebianNames(const std::string& suite, const std::vector<std::string>& packages) {
  if (!IsWord(suite, ".-")) {
    return WithHint(InvalidArgument("'{}' is no name of a Debian suite", suite),
                    "name a suite, for example 'debian:bookworm'");
  }
  for (const std::string& package : packages) {
    if (!IsWord(package, "+.-:")) {
      return InvalidArgument("'{}' is no name of a Debian package", package);
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> SourcesFor(const std::string& suite,
                                                    const std::vector<std::string>& host_targets) {
  std::map<std::pair<std::string, std::string>, std::set<std::string>> components;
  for (const std::string& target : host_targets) {
    const std::vector<std::string> fields = absl::StrSplit(target, '|');
    if (fields.size() != 5 || fields[0] != "Debian") continue;
    const std::string& release = fields[2];
    if (release.find('/') != release.npos || release.find("backports") != release.npos) continue;
    std::string wanted = release;
    wanted.replace(0, BaseSuite(release).size(), suite);
    components[{fields[1], wanted}].insert(fields[4]);
  }
  if (components.empty()) {
    return WithHint(FailedPrecondition("the host's apt has no Debian source to build from"),
                    "on another distribution, import a root filesystem with 'ember image import'");
  }
  std::vector<std::string> lines;
  for (const auto& [source, names] : components) {
    // unstable has neither updates nor security.
    const bool rolling = suite == "sid" || suite == "unstable";
    if (rolling && source.second != suite) continue;
    lines.push_back(
        fmt::format("deb {} {} {}", source.first, source.second, absl::StrJoin(names, " ")));
  }
  return lines;
}

}  // namespace ember::images
