#include "tests/base/tree/tar_stream.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <functional>
#include <optional>
#include <sstream>
#include <system_error>
#include <utility>

#include "base/tree/pax.h"
#include "tests/support/status_matchers.h"

namespace ember::testing {

using tree::Entry;
using tree::EntryKind;

TarStream& TarStream::File(std::string name, std::string_view content) {
  Entry entry;
  entry.name = std::move(name);
  return Add(entry, content);
}

TarStream& TarStream::Directory(std::string name) {
  Entry entry;
  entry.kind = EntryKind::kDirectory;
  entry.name = std::move(name);
  entry.mode = 0755;
  return Add(entry);
}

TarStream& TarStream::Symlink(std::string name, std::string target) {
  Entry entry;
  entry.kind = EntryKind::kSymlink;
  entry.name = std::move(name);
  entry.target = std::move(target);
  return Add(entry);
}

TarStream& TarStream::HardLink(std::string name, std::string target) {
  Entry entry;
  entry.kind = EntryKind::kHardLink;
  entry.name = std::move(name);
  entry.target = std::move(target);
  return Add(entry);
}

TarStream& TarStream::Add(const Entry& entry, std::string_view content) {
  tree::AppendTarHeader(entry, tree::Storage::kPlain, content.size(), bytes_);
  bytes_ += content;
  bytes_.append(tree::PaddingOf(content.size()), '\0');
  return *this;
}

TarStream& TarStream::Pax(std::string_view records) {
  Entry entry;
  entry.name = "PaxHeader";
  std::string header;
  tree::AppendTarHeader(entry, tree::Storage::kPlain, records.size(), header);
  // The same block as an extended header: another type, so another sum.
  header[156] = 'x';
  const int sum = std::stoi(header.substr(148, 7), nullptr, 8) + 'x' - '0';
  header.replace(148, 7, fmt::format("{:07o}", sum));
  bytes_ += header;
  bytes_ += records;
  bytes_.append(tree::PaddingOf(records.size()), '\0');
  return *this;
}

std::string StreamOf(const std::filesystem::path& path, tree::SourceOptions options,
                     tree::TreeSummary* summary) {
  std::string stream;
  tree::PieceWriter out([&stream](std::string& piece) {
    REQUIRE(piece.size() <= tree::kPiece);
    stream += piece;
    return absl::OkStatus();
  });
  const auto sent = ValueOf(tree::TreeSource::Send(path.native(), options, out));
  if (summary != nullptr) *summary = sent;
  return stream;
}

absl::StatusOr<tree::TreeSummary> Unpack(std::string_view stream, const std::string& directory,
                                         tree::SinkOptions options, size_t step) {
  auto destination = tree::OpenDestination(directory, std::nullopt);
  if (!destination.ok()) return destination.status();
  tree::TreeSink sink(*std::move(destination), options);
  for (; !stream.empty(); stream.remove_prefix(std::min(step, stream.size()))) {
    const absl::Status taken = sink.Append(stream.substr(0, step));
    if (!taken.ok()) return taken;
  }
  return sink.Finish();
}

std::string ContentOf(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream content;
  content << file.rdbuf();
  return content.str();
}

void Write(const std::filesystem::path& path, std::string_view content) {
  std::ofstream(path, std::ios::binary) << content;
}

std::vector<std::string> Listing(const std::filesystem::path& path) {
  std::vector<std::string> lines;
  for (const auto& item : std::filesystem::recursive_directory_iterator(path)) {
    struct stat status {};
    REQUIRE(::lstat(item.path().c_str(), &status) == 0);
    std::string what;
    if (item.is_symlink()) {
      what = std::filesystem::read_symlink(item.path());
    } else if (item.is_regular_file()) {
      what =
          fmt::format("{} {:x}", status.st_size, std::hash<std::string>()(ContentOf(item.path())));
    }
    lines.push_back(fmt::format("{} {:o} {}.{:09} {}",
                                item.path().lexically_relative(path).native(), status.st_mode,
                                status.st_mtim.tv_sec, status.st_mtim.tv_nsec, what));
  }
  std::sort(lines.begin(), lines.end());
  return lines;
}

size_t EntryCount(const std::filesystem::path& path) {
  size_t count = 0;
  std::error_code gone;
  std::filesystem::recursive_directory_iterator item(path, gone);
  for (; item != end(item); item.increment(gone)) ++count;
  return count;
}

}  // namespace ember::testing
