#include "backends/images/image_reference.h"

#include <algorithm>

#include "base/status.h"
#include "base/status_macros.h"

namespace ember::images {
namespace {

constexpr std::string_view kDockerHub = "docker.io";
constexpr std::string_view kOldDockerHub = "index.docker.io";
constexpr std::string_view kOfficial = "library/";
constexpr std::string_view kLatest = "latest";
constexpr std::string_view kSha256 = "sha256:";
constexpr size_t kMaxName = 255;
constexpr size_t kMaxTag = 128;
constexpr size_t kHexDigits = 64;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsLower(char c) { return c >= 'a' && c <= 'z'; }
bool IsUpper(char c) { return c >= 'A' && c <= 'Z'; }
bool IsHex(char c) { return IsDigit(c) || (c >= 'a' && c <= 'f'); }

absl::Status Bad(std::string_view text, std::string_view why) {
  return WithHint(InvalidArgument("image reference '{}' {}", text, why),
                  "write it as [REGISTRY/]NAME[:TAG][@sha256:DIGEST], for example 'alpine:3.19' or "
                  "'localhost:5000/team/tool'");
}

// Whether the first part of a name is a registry, by the rule of every client.
bool IsRegistry(std::string_view part) {
  return part == "localhost" || part.find_first_of(".:") != part.npos ||
         std::any_of(part.begin(), part.end(), IsUpper);
}

absl::Status CheckPort(std::string_view text, std::string_view port) {
  const bool digits = !port.empty() && std::all_of(port.begin(), port.end(), IsDigit);
  if (digits && port.size() <= 5 && std::stoul(std::string(port)) <= 65535) {
    return absl::OkStatus();
  }
  return Bad(text, fmt::format("has a port that is none: '{}'", port));
}

absl::Status CheckRegistry(std::string_view text, std::string_view registry) {
  std::string_view host = registry;
  if (host.starts_with('[')) {
    const size_t end = host.find(']');
    const std::string_view address = host.substr(1, end == host.npos ? end : end - 1);
    const bool good = end != host.npos && !address.empty() &&
                      address.find_first_not_of("0123456789abcdefABCDEF:.") == address.npos;
    if (!good) return Bad(text, fmt::format("has no address in brackets: '{}'", registry));
    host.remove_prefix(end + 1);
    if (host.empty()) return absl::OkStatus();
    if (!host.starts_with(':')) return Bad(text, fmt::format("has no registry '{}'", registry));
    return CheckPort(text, host.substr(1));
  }
  if (const size_t colon = host.find(':'); colon != host.npos) {
    RETURN_IF_ERROR(CheckPort(text, host.substr(colon + 1)));
    host = host.substr(0, colon);
  }
  for (size_t start = 0; start <= host.size();) {
    const size_t end = std::min(host.find('.', start), host.size());
    const std::string_view label = host.substr(start, end - start);
    const bool good = !label.empty() && label.front() != '-' && label.back() != '-' &&
                      std::all_of(label.begin(), label.end(), [](char c) {
                        return IsLower(c) || IsUpper(c) || IsDigit(c) || c == '-';
                      });
    if (!good) return Bad(text, fmt::format("has a registry that is no host: '{}'", registry));
    start = end + 1;
  }
  return absl::OkStatus();
}

absl::Status CheckRepository(std::string_view text, std::string_view repository) {
  for (size_t start = 0; start <= repository.size();) {
    const size_t end = std::min(repository.find('/', start), repository.size());
    const std::string_view part = repository.substr(start, end - start);
    start = end + 1;
    if (part.empty()) return Bad(text, "has an empty name");
    if (!IsLower(part.front()) && !IsDigit(part.front())) {
      return Bad(text,
                 fmt::format("has a name that starts with neither a-z nor a digit: '{}'", part));
    }
    for (const char c : part) {
      if (IsLower(c) || IsDigit(c) || c == '.' || c == '_' || c == '-') continue;
      return Bad(text, fmt::format("may hold only a-z, 0-9, '.', '_' and '-' in a name, not '{}'",
                                   std::string_view(&c, 1)));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckTag(std::string_view text, std::string_view tag) {
  const auto is_word = [](char c) { return IsLower(c) || IsUpper(c) || IsDigit(c) || c == '_'; };
  const auto is_tag = [is_word](char c) { return is_word(c) || c == '.' || c == '-'; };
  if (!tag.empty() && tag.size() <= kMaxTag && is_word(tag.front()) &&
      std::all_of(tag.begin(), tag.end(), is_tag)) {
    return absl::OkStatus();
  }
  return Bad(text, "has a tag that is not 1 to 128 letters, digits, '.', '_' and '-'");
}

absl::Status CheckDigest(std::string_view text, std::string_view digest) {
  if (!digest.starts_with(kSha256)) {
    return Bad(text, fmt::format("has a digest that is not of sha256: '{}'", digest));
  }
  digest.remove_prefix(kSha256.size());
  if (digest.size() == kHexDigits && std::all_of(digest.begin(), digest.end(), IsHex)) {
    return absl::OkStatus();
  }
  return Bad(text, "has a digest that is not of 64 hexadecimal digits");
}

// Takes registry and repository apart.
void SplitName(std::string_view name, ImageReference& reference) {
  const size_t slash = name.find('/');
  if (slash == name.npos || !IsRegistry(name.substr(0, slash))) {
    reference.registry = kDockerHub;
    reference.repository = name;
  } else {
    reference.registry = name.substr(0, slash);
    reference.repository = name.substr(slash + 1);
    if (reference.registry == kOldDockerHub) reference.registry = kDockerHub;
  }
  const bool official = reference.repository.find('/') == std::string::npos;
  if (reference.registry == kDockerHub && official) reference.repository.insert(0, kOfficial);
}

std::string WithTag(std::string name, std::string_view tag, std::string_view digest) {
  if (!tag.empty()) name.append(":").append(tag);
  if (!digest.empty()) name.append("@").append(digest);
  return name;
}

}  // namespace

std::string ImageReference::Familiar() const {
  std::string_view name = repository;
  bool with_registry = registry != kDockerHub;
  if (!with_registry) {
    const std::string_view rest =
        name.starts_with(kOfficial) ? name.substr(kOfficial.size()) : name;
    if (rest.find('/') == rest.npos) {
      name = rest;
    } else {
      // "docker.io/a.b/c" is not the registry a.b.
      with_registry = IsRegistry(name.substr(0, name.find('/')));
    }
  }
  const bool understood = tag == kLatest && digest.empty();
  return WithTag(with_registry ? fmt::format("{}/{}", registry, name) : std::string(name),
                 understood ? std::string_view() : tag, digest);
}

std::string ImageReference::Full() const {
  return WithTag(fmt::format("{}/{}", registry, repository), tag, digest);
}

absl::StatusOr<ImageReference> ParseImageReference(std::string_view text) {
  if (text.empty()) return Bad(text, "is empty");
  ImageReference reference;
  std::string_view name = text;
  if (const size_t at = name.find('@'); at != name.npos) {
    reference.digest = name.substr(at + 1);
    name = name.substr(0, at);
    RETURN_IF_ERROR(CheckDigest(text, reference.digest));
  }
  // A colon before the last slash is a port's.
  const size_t colon = name.rfind(':');
  if (colon != name.npos && name.find('/', colon) == name.npos) {
    reference.tag = name.substr(colon + 1);
    name = name.substr(0, colon);
    RETURN_IF_ERROR(CheckTag(text, reference.tag));
  } else if (reference.digest.empty()) {
    reference.tag = kLatest;
  }
  SplitName(name, reference);
  RETURN_IF_ERROR(CheckRegistry(text, reference.registry));
  RETURN_IF_ERROR(CheckRepository(text, reference.repository));
  if (reference.registry.size() + 1 + reference.repository.size() > kMaxName) {
    return Bad(text.substr(0, 60), "has a name of more than 255 characters");
  }
  return reference;
}

}  // namespace ember::images
