#include "backends/images/oci/skopeo.h"

#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

#include "backends/images/tool_environment.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "base/subprocess.h"

namespace ember::images {
namespace {

constexpr char kTransient[] = "REGISTRY_TRANSIENT";

// What a part of skopeo's words means. The first that is found counts.
struct Meaning {
  std::string_view part;
  absl::StatusCode code;
  std::string_view text;  // "{}" of it is the image
  std::string_view hint;  // "{}" of it is the registry
  bool transient = false;
};

constexpr std::string_view kLogin =
    "run 'skopeo login {}' with an account that may read it, and check the name: a registry may "
    "say the same about an image that does not exist";
constexpr std::string_view kHttp =
    "use '--plain-http' if this registry speaks HTTP or has a certificate of its own, and you "
    "trust the way to it";
constexpr std::string_view kReach = "check the name of the registry '{}' and your network";

using absl::StatusCode;
constexpr std::array kMeanings = {
    Meaning{"no space left on device", StatusCode::kResourceExhausted,
            "image '{}' could not be stored: no space left on device", "free disk space", false},
    Meaning{"manifest unknown", StatusCode::kNotFound, "image '{}' does not exist", "", false},
    Meaning{"name unknown", StatusCode::kNotFound, "image '{}' does not exist", "", false},
    Meaning{"repository name not known", StatusCode::kNotFound, "image '{}' does not exist", "",
            false},
    Meaning{"toomanyrequests", StatusCode::kResourceExhausted,
            "the registry refuses image '{}' for now: too many requests",
            "try again later, or run 'skopeo login {}': accounts may ask more often", true},
    Meaning{"too many requests", StatusCode::kResourceExhausted,
            "the registry refuses image '{}' for now: too many requests",
            "try again later, or run 'skopeo login {}': accounts may ask more often", true},
    Meaning{"Too Many Requests", StatusCode::kResourceExhausted,
            "the registry refuses image '{}' for now: too many requests",
            "try again later, or run 'skopeo login {}': accounts may ask more often", true},
    Meaning{"unauthorized", StatusCode::kPermissionDenied, "reading image '{}' is not permitted",
            kLogin, false},
    Meaning{"authentication required", StatusCode::kPermissionDenied,
            "reading image '{}' is not permitted", kLogin, false},
    Meaning{"invalid username/password", StatusCode::kPermissionDenied,
            "reading image '{}' is not permitted", kLogin, false},
    Meaning{"access to the resource is denied", StatusCode::kPermissionDenied,
            "reading image '{}' is not permitted", kLogin, false},
    Meaning{"403 (Forbidden)", StatusCode::kPermissionDenied, "reading image '{}' is not permitted",
            kLogin, false},
    Meaning{"server gave HTTP response to HTTPS client", StatusCode::kFailedPrecondition,
            "image '{}' can't be had by HTTPS: the registry speaks HTTP", kHttp, false},
    Meaning{"x509:", StatusCode::kFailedPrecondition,
            "image '{}' can't be had: the registry's certificate is not trusted", kHttp, false},
    Meaning{"no such host", StatusCode::kUnavailable,
            "image '{}' can't be had: its registry has no address", kReach, false},
    Meaning{"connection refused", StatusCode::kUnavailable,
            "image '{}' can't be had: nothing listens at its registry", kReach, false},
    Meaning{"no route to host", StatusCode::kUnavailable,
            "image '{}' can't be had: no route to its registry", kReach, false},
    Meaning{"network is unreachable", StatusCode::kUnavailable,
            "image '{}' can't be had: no route to its registry", kReach, false},
    Meaning{"invalid reference format", StatusCode::kInvalidArgument,
            "no registry takes '{}' for the name of an image", "", false},
    Meaning{"igest did not match", StatusCode::kDataLoss,
            "the registry sent other bytes than image '{}' has", "", true},
    Meaning{"connection reset", StatusCode::kUnavailable,
            "the registry broke off while it sent image '{}'", kReach, true},
    Meaning{"unexpected EOF", StatusCode::kUnavailable,
            "the registry broke off while it sent image '{}'", kReach, true},
    Meaning{": EOF", StatusCode::kUnavailable, "the registry broke off while it sent image '{}'",
            kReach, true},
    Meaning{"timeout", StatusCode::kUnavailable, "the registry of image '{}' does not answer",
            kReach, true},
    Meaning{"Internal Server Error", StatusCode::kUnavailable,
            "the registry of image '{}' has failed", "try again later", true},
    Meaning{"Bad Gateway", StatusCode::kUnavailable, "the registry of image '{}' has failed",
            "try again later", true},
    Meaning{"Service Unavailable", StatusCode::kUnavailable,
            "the registry of image '{}' has failed", "try again later", true},
    Meaning{"Gateway Timeout", StatusCode::kUnavailable, "the registry of image '{}' has failed",
            "try again later", true},
};

// The message of the last log line: time="…" level=fatal msg="…", with \" in it for ".
std::string LogMessage(std::string_view text) {
  constexpr std::string_view kMark = "msg=\"";
  const size_t start = text.rfind(kMark);
  if (start == text.npos) {
    while (!text.empty() && text.back() == '\n') text.remove_suffix(1);
    return std::string(text.substr(text.rfind('\n') + 1));
  }
  std::string message;
  for (size_t i = start + kMark.size(); i < text.size() && text[i] != '"'; ++i) {
    if (text[i] == '\\' && i + 1 < text.size()) ++i;
    message.push_back(text[i]);
  }
  return message;
}

// The name for skopeo, which takes a tag or a digest, not both.
std::string Docker(const ImageReference& reference) {
  ImageReference one = reference;
  if (!one.digest.empty()) one.tag.clear();
  return "docker://" + one.Full();
}

// containers-policy.json(5).
bool HasSignaturePolicy() {
  const char* home = std::getenv("HOME");
  const std::filesystem::path own =
      home == nullptr ? "" : std::filesystem::path(home) / ".config/containers/policy.json";
  std::error_code error;
  return std::filesystem::exists("/etc/containers/policy.json", error) ||
         (!own.empty() && std::filesystem::exists(own, error));
}

}  // namespace

absl::StatusOr<Skopeo> Skopeo::Find(RegistryAccess access) {
  if (!FindProgram("skopeo").has_value()) {
    return WithHint(FailedPrecondition("program 'skopeo' is needed to pull images"),
                    "run 'apt-get install skopeo'");
  }
  if (!access.auth_file.empty() && ::access(access.auth_file.c_str(), R_OK) != 0) {
    return ErrnoStatus(errno, fmt::format("auth file {}", access.auth_file.native()));
  }
  return Skopeo(std::move(access));
}

absl::StatusOr<std::string> Skopeo::Manifest(const ImageReference& reference,
                                             const Cancellation& cancellation) const {
  return Inspect(reference, {"--raw"}, cancellation);
}

absl::StatusOr<std::string> Skopeo::Config(const ImageReference& reference,
                                           const Cancellation& cancellation) const {
  return Inspect(reference, {"--config", "--raw"}, cancellation);
}

absl::StatusOr<std::string> Skopeo::Inspect(const ImageReference& reference,
                                            const std::vector<std::string>& options,
                                            const Cancellation& cancellation) const {
  ToolOptions tool;
  tool.argv = {"skopeo", "inspect"};
  tool.argv.insert(tool.argv.end(), options.begin(), options.end());
  if (!access_.auth_file.empty()) tool.argv.push_back("--authfile=" + access_.auth_file.native());
  if (access_.plain_http) tool.argv.push_back("--tls-verify=false");
  tool.argv.push_back(Docker(reference));
  tool.env = ToolEnvironment({"TMPDIR=" + access_.scratch.native()});
  ASSIGN_OR_RETURN(ToolResult result, RunTool(tool, cancellation));
  if (result.exit.code != 0) return SkopeoFailure(reference, result.err);
  return std::move(result.out);
}

absl::Status Skopeo::Copy(const ImageReference& reference, const std::filesystem::path& blobs,
                          const std::filesystem::path& layout, std::function<absl::Status()> watch,
                          const Cancellation& cancellation) const {
  ToolOptions tool;
  tool.argv = {"skopeo",
               "--tmpdir=" + access_.scratch.native(),
               "copy",
               "--quiet",
               "--dest-oci-accept-uncompressed-layers",
               "--dest-shared-blob-dir=" + blobs.native()};
  // What images must be signed by is for the host's policy to say; skopeo fails where there is
  // none.
  if (!HasSignaturePolicy()) tool.argv.insert(tool.argv.begin() + 1, "--insecure-policy");
  if (!access_.auth_file.empty()) {
    tool.argv.push_back("--src-authfile=" + access_.auth_file.native());
  }
  if (access_.plain_http) tool.argv.push_back("--src-tls-verify=false");
  tool.argv.push_back(Docker(reference));
  tool.argv.push_back("oci:" + layout.native() + ":image");
  tool.env = ToolEnvironment({"TMPDIR=" + access_.scratch.native()});
  tool.watch = std::move(watch);
  ASSIGN_OR_RETURN(const ToolResult result, RunTool(tool, cancellation));
  return result.exit.code == 0 ? absl::OkStatus() : SkopeoFailure(reference, result.err);
}

absl::Status SkopeoFailure(const ImageReference& reference, std::string_view standard_error) {
  const std::string message = LogMessage(standard_error);
  const std::string name = reference.Familiar();
  for (const Meaning& meaning : kMeanings) {
    if (message.find(meaning.part) == message.npos) continue;
    absl::Status status =
        MakeStatus(meaning.code, "{} ({})", fmt::format(fmt::runtime(meaning.text), name), message);
    if (!meaning.hint.empty()) {
      status = WithHint(status, fmt::format(fmt::runtime(meaning.hint), reference.registry));
    } else if (meaning.code == StatusCode::kNotFound) {
      status = WithHint(status, fmt::format("check name and tag; 'skopeo list-tags docker://{}/{}' "
                                            "lists the tags",
                                            reference.registry, reference.repository));
    }
    return meaning.transient ? WithReason(status, kTransient) : status;
  }
  return Unavailable("image '{}' could not be pulled: {}", name,
                     message.empty() ? "skopeo failed without a word" : message);
}

bool IsWorthAnotherTry(const absl::Status& status) { return ReasonOf(status) == kTransient; }

}  // namespace ember::images
