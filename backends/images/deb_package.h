#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "base/cancellation.h"

namespace ember::images {

// Which files of a package to read: gets a path without a leading "./" or "/".
using WantsDebFile = std::function<bool(std::string_view path)>;
// Gets each wanted regular file, in the package's order. An error ends the reading.
using VisitDebFile =
    std::function<absl::Status(const std::string& path, const std::string& content)>;

// Reads the files of a Debian package (deb(5): an ar archive with a data.tar.* member) in this
// process: no dpkg, no root, no maintainer scripts. Paths with "..", absolute ones and files over
// 512 MiB are refused. InvalidArgument, naming the file, when it is no package or is damaged.
absl::Status ReadDebFiles(const std::filesystem::path& deb, const WantsDebFile& wants,
                          const VisitDebFile& visit, const Cancellation& cancellation);

}  // namespace ember::images
