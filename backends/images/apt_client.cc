#include "backends/images/apt_client.h"

#include <unistd.h>

#include <algorithm>
#include <optional>
#include <system_error>

#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "backends/images/debian_sources.h"
#include "backends/images/tool_environment.h"
#include "base/file.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "base/subprocess.h"

namespace ember::images {
namespace {

std::vector<std::string> Lines(const std::string& text) {
  return absl::StrSplit(text, '\n', absl::SkipEmpty());
}

// What apt said went wrong: its "E:" lines, joined.
std::string AptErrors(const std::string& text) {
  std::string errors;
  for (const std::string& line : Lines(text)) {
    if (!line.starts_with("E: ")) continue;
    errors += (errors.empty() ? "" : "; ") + line.substr(3);
  }
  return errors;
}

// The value of a field of the first paragraph that "apt-cache show" printed.
std::optional<std::string> FieldOf(const std::string& paragraph, std::string_view field) {
  const std::string start = std::string(field) + ": ";
  for (const std::string& line : Lines(paragraph)) {
    if (line.starts_with(start)) return line.substr(start.size());
  }
  return std::nullopt;
}

absl::StatusOr<std::filesystem::path> OnlyDeb(const std::filesystem::path& folder) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    if (entry.path().extension() == ".deb") return entry.path();
  }
  return Internal("apt-get download left no package in {}", folder.native());
}

// Debian's keys, where the host keeps them apart from those that apt trusts for every source.
std::string WithDebianKeys(std::string line) {
  constexpr std::string_view kKeys = "/usr/share/keyrings/debian-archive-keyring.gpg";
  constexpr std::string_view kStart = "deb ";
  if (access(std::string(kKeys).c_str(), R_OK) == 0 && line.starts_with(kStart)) {
    line.insert(kStart.size(), fmt::format("[signed-by={}] ", kKeys));
  }
  return line;
}

// The version in "<package>_<version>_<architecture>.deb", where apt writes ':' as "%3a".
std::string VersionOf(const std::filesystem::path& deb) {
  const std::vector<std::string> parts = absl::StrSplit(deb.stem().native(), '_');
  return parts.size() < 2 ? "" : absl::StrReplaceAll(parts[1], {{"%3a", ":"}});
}

}  // namespace

absl::StatusOr<std::string> AptClient::Run(std::vector<std::string> words,
                                           const std::filesystem::path& cwd,
                                           const Cancellation& cancellation) {
  ToolOptions tool;
  tool.argv = {words[0]};
  tool.argv.insert(tool.argv.end(), options_.begin(), options_.end());
  tool.argv.insert(tool.argv.end(), words.begin() + 1, words.end());
  tool.env = ToolEnvironment();
  tool.cwd = cwd;
  ASSIGN_OR_RETURN(const ToolResult result, RunTool(tool, cancellation));
  if (result.exit.code == 0) return result.out;
  const std::string errors = AptErrors(result.err);
  return Unavailable("{} {} failed: {}", words[0], words[1],
                     errors.empty() ? result.exit.Describe() : errors);
}

absl::Status AptClient::UseSuite(const std::string& suite, const ProgressSink& sink,
                                 const Cancellation& cancellation) {
  RETURN_IF_ERROR(CheckDebianNames(suite, {}));
  ASSIGN_OR_RETURN(const auto targets, IndexTargets(kSourceTargetFormat, cancellation));
  ASSIGN_OR_RETURN(const std::vector<std::string> sources, SourcesFor(suite, targets));
  std::string list;
  for (std::string line : sources) list += WithDebianKeys(std::move(line)) + "\n";
  const std::filesystem::path file = scratch_ / "sources.list";
  RETURN_IF_ERROR(WriteFileAtomically(file, list, 0644));
  source_options_ = {"-oDir::Etc::SourceList=" + file.native(), "-oDir::Etc::SourceParts=/dev/null",
                     // What the host pins concerns its own suite.
                     "-oDir::Etc::Preferences=/dev/null", "-oDir::Etc::PreferencesParts=/dev/null",
                     "-oAPT::Default-Release="};
  return Annotate(FetchPrivateLists(sink, cancellation), "Debian suite '" + suite + "'");
}

absl::Status AptClient::FetchPrivateLists(const ProgressSink& sink,
                                          const Cancellation& cancellation) {
  Report(sink, {"downloading", "package lists"});
  const std::filesystem::path state = scratch_ / "apt";
  RETURN_IF_ERROR(MakeDirectories(state / "lists/partial", 0755));
  RETURN_IF_ERROR(MakeDirectories(state / "cache/archives/partial", 0755));
  options_ = {"-oDir::State=" + state.native(), "-oDir::State::lists=" + (state / "lists").native(),
              "-oDir::Cache=" + (state / "cache").native(),
              // The host's own packages are of no interest to a download.
              "-oDir::State::status=/dev/null", "-oAcquire::Languages=none"};
  options_.insert(options_.end(), source_options_.begin(), source_options_.end());
  const absl::Status status = Run({"apt-get", "update"}, scratch_, cancellation).status();
  return WithHint(status, "check the host's apt sources and network with 'apt-get update'");
}

absl::StatusOr<DebFile> AptClient::DownloadWithLists(const std::string& package,
                                                     const Cancellation& cancellation) {
  const std::filesystem::path folder = scratch_ / ("deb-" + package);
  RETURN_IF_ERROR(RemoveTree(folder));
  RETURN_IF_ERROR(MakeDirectories(folder, 0755));
  // One call: each may have to read all package lists, which takes a second.
  RETURN_IF_ERROR(Run({"apt-get", "download", package}, folder, cancellation).status());
  ASSIGN_OR_RETURN(const std::filesystem::path deb, OnlyDeb(folder));
  return DebFile{deb, package, VersionOf(deb)};
}

absl::StatusOr<DebFile> AptClient::Download(const std::string& package, const ProgressSink& sink,
                                            const Cancellation& cancellation) {
  Report(sink, {"downloading", package});
  auto found = DownloadWithLists(package, cancellation);
  if (found.ok() || !options_.empty() || cancellation.done()) return found;
  // The host's lists are missing, or name a version that the source no longer has.
  RETURN_IF_ERROR(FetchPrivateLists(sink, cancellation));
  Report(sink, {"downloading", package});
  return DownloadWithLists(package, cancellation);
}

absl::StatusOr<std::string> AptClient::FindDependency(const std::string& meta,
                                                      std::string_view prefix,
                                                      const Cancellation& cancellation) {
  ASSIGN_OR_RETURN(const std::string about,
                   Run({"apt-cache", "show", "--no-all-versions", meta}, scratch_, cancellation));
  const std::string depends = FieldOf(about, "Depends").value_or("");
  for (std::string word : std::vector<std::string>(absl::StrSplit(depends, ", "))) {
    word.resize(std::min(word.size(), word.find(' ')));
    if (word.starts_with(prefix)) return word;
  }
  return NotFound("package '{}' depends on no package named {}*", meta, prefix);
}

absl::StatusOr<DebFile> AptClient::DownloadDependency(const std::string& meta,
                                                      std::string_view prefix,
                                                      const ProgressSink& sink,
                                                      const Cancellation& cancellation) {
  auto package = FindDependency(meta, prefix, cancellation);
  if (!package.ok() && options_.empty() && !cancellation.done()) {
    RETURN_IF_ERROR(FetchPrivateLists(sink, cancellation));
    package = FindDependency(meta, prefix, cancellation);
  }
  if (!package.ok()) return package.status();
  return Download(*package, sink, cancellation);
}

absl::StatusOr<std::vector<std::string>> AptClient::IndexTargets(const std::string& format,
                                                                 const Cancellation& cancellation) {
  ASSIGN_OR_RETURN(const std::string out,
                   Run({"apt-get", "indextargets", "--format", format, "Created-By: Packages"},
                       scratch_, cancellation));
  return Lines(out);
}

}  // namespace ember::images
