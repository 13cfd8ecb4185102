#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

// Where Debian's packages come from: names of suites and lines of a sources.list.
namespace ember::images {

// InvalidArgument unless `suite` and `packages` are words that Debian could use as names.
absl::Status CheckDebianNames(const std::string& suite, const std::vector<std::string>& packages);

// The format of "apt-get indextargets" that SourcesFor reads.
inline constexpr char kSourceTargetFormat[] =
    "$(ORIGIN)|$(REPO_URI)|$(RELEASE)|$(CODENAME)|$(COMPONENT)";

// The lines of a sources.list for `suite`, from those of the host ("<URI> <release> <component…>"
// each): what the host's own suite is replaced by `suite`, so that bookworm, bookworm-updates and
// bookworm-security become trixie, trixie-updates and trixie-security. FailedPrecondition when the
// host has no Debian source.
absl::StatusOr<std::vector<std::string>> SourcesFor(const std::string& suite,
                                                    const std::vector<std::string>& host_targets);

}  // namespace ember::images
