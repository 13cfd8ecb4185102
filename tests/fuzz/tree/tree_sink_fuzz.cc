#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>

#include "base/check.h"
#include "base/tree/tar_header.h"
#include "base/tree/tree_sink.h"

namespace {

using ember::tree::Entry;
using ember::tree::EntryKind;

// A folder with a neighbour that must stay empty.
struct Place {
  Place() {
    std::string pattern = "/tmp/ember-fuzz-XXXXXX";
    EMBER_CHECK(mkdtemp(pattern.data()) != nullptr);
    root = pattern;
    std::filesystem::create_directory(root / "outside");
    std::filesystem::create_directory(root / "to");
  }
  ~Place() { std::filesystem::remove_all(root); }

  std::filesystem::path root;
};

// Few names, so that entries meet each other.
constexpr std::array<const char*, 16> kNames = {
    "a", "b",  "a/b",   "b/a",        "a/b/c", "../outside/x", "/outside", "a/../b",
    ".", "a/", "b/b/b", "../outside", "..",    "a/./b",        "c",        "c/a"};
constexpr std::array kKinds = {EntryKind::kFile,     EntryKind::kDirectory, EntryKind::kSymlink,
                               EntryKind::kHardLink, EntryKind::kFifo,      EntryKind::kCharDevice};

// One entry of three bytes: kind, name, target.
void AppendEntry(const uint8_t* bytes, std::string& stream) {
  Entry entry;
  entry.kind = kKinds[bytes[0] % kKinds.size()];
  entry.name = kNames[bytes[1] % kNames.size()];
  entry.target = kNames[bytes[2] % kNames.size()];
  const std::string_view content = entry.kind == EntryKind::kFile ? "content" : "";
  ember::tree::AppendTarHeader(entry, ember::tree::Storage::kPlain, content.size(), stream);
  stream += content;
  stream.append(ember::tree::PaddingOf(content.size()), '\0');
}

}  // namespace

// Whatever order entries come in, nothing is made outside the root and no partial file stays.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  const Place place;
  std::string stream;
  for (size_t at = 0; at + 3 <= size && at < 300; at += 3) AppendEntry(bytes + at, stream);
  {
    auto destination = ember::tree::OpenDestination((place.root / "to").native(), std::nullopt);
    EMBER_CHECK(destination.ok());
    ember::tree::TreeSink sink(*std::move(destination), {});
    if (sink.Append(stream).ok()) (void)sink.Finish();
  }
  EMBER_CHECK(std::filesystem::is_empty(place.root / "outside"));
  size_t beside = 0;
  for (const auto& item : std::filesystem::directory_iterator(place.root)) beside += item.exists();
  EMBER_CHECK(beside == 2);
  for (const auto& item : std::filesystem::recursive_directory_iterator(place.root / "to")) {
    EMBER_CHECK(!item.path().filename().native().starts_with(".ember-"));
  }
  return 0;
}
