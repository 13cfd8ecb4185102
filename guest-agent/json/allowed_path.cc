#include "guest-agent/json/allowed_path.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <memory>
#include <utility>

#include "base/status.h"
#include "base/status_macros.h"
#include "guest-agent/json/folder.h"

namespace ember::agent {
namespace {

constexpr std::array<std::string_view, 2> kRoots = {"/home/ubuntu", kScratchRoot};

std::string Joined(const std::vector<std::string>& components) {
  std::string path;
  for (const std::string& component : components) path += "/" + component;
  return path;
}

// The allowed root that `path` is strictly under, or nothing.
std::string_view RootOf(std::string_view path) {
  const auto* root = std::find_if(kRoots.begin(), kRoots.end(), [path](std::string_view candidate) {
    return path != candidate && IsAtOrUnder(path, candidate);
  });
  return root == kRoots.end() ? std::string_view() : *root;
}

absl::StatusOr<std::string> Resolve(const std::string& path) {
  const std::unique_ptr<char, void (*)(void*)> resolved(realpath(path.c_str(), nullptr), std::free);
  if (resolved == nullptr) return ErrnoStatus(errno, path);
  return std::string(resolved.get());
}

absl::Status LeadsOut(std::string_view text) {
  return PermissionDenied("'{}' leads out of its allowed folder through a link", text);
}

bool IsLink(const std::string& path) {
  struct stat info;
  return lstat(path.c_str(), &info) == 0 && S_ISLNK(info.st_mode);
}

}  // namespace

bool IsAtOrUnder(std::string_view candidate, std::string_view path) {
  return candidate.starts_with(path) &&
         (candidate.size() == path.size() || candidate[path.size()] == '/');
}

absl::Status CheckAbsolute(std::string_view text) {
  if (!text.starts_with('/')) return InvalidArgument("'{}' is not an absolute path", text);
  const auto components = ComponentsOf(text);
  if (std::find(components.begin(), components.end(), "..") != components.end()) {
    return InvalidArgument("'{}' must not have '..' in it", text);
  }
  return absl::OkStatus();
}

absl::StatusOr<AllowedPath> CheckAllowed(std::string_view text, LastLink last) {
  RETURN_IF_ERROR(CheckAbsolute(text));
  auto components = ComponentsOf(text);
  const std::string_view root = RootOf(Joined(components));
  if (root.empty()) {
    return PermissionDenied("'{}' is not strictly under /home/ubuntu/ or /tmp/", text);
  }
  AllowedPath allowed;
  allowed.name = std::move(components.back());
  components.pop_back();
  ASSIGN_OR_RETURN(std::string parent, Resolve(Joined(components)));
  allowed.path = parent + "/" + allowed.name;
  if (RootOf(allowed.path) != root) return LeadsOut(text);
  if (IsLink(allowed.path)) {
    // One that leads to nothing can't be told and is refused, too.
    const auto target = Resolve(allowed.path);
    if (!target.ok() || RootOf(*target) != root) return LeadsOut(text);
    if (last == LastLink::kFollow) {
      allowed.path = *target;
      const size_t slash = target->rfind('/');
      parent = target->substr(0, slash);
      allowed.name = target->substr(slash + 1);
    }
  }
  // From here on no name is followed: a link that appears meanwhile is an error.
  ASSIGN_OR_RETURN(allowed.parent, OpenFolder(parent));
  return allowed;
}

}  // namespace ember::agent
