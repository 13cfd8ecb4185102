#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

// Trees of files as tar streams: what `ember cp` and checkpoints carry (docs/files.md).
namespace ember::tree {

// Bounds of every stream, so that a hostile one costs little.
inline constexpr size_t kMaxName = 4096;             // of a name and of a link's target, in bytes
inline constexpr size_t kMaxDepth = 256;             // components of a name
inline constexpr size_t kMaxExtended = 1 << 20;      // of a pax header or a sparse map, in bytes
inline constexpr size_t kMaxSkippedNames = 100;      // more are skipped without a name
inline constexpr size_t kPiece = size_t{256} << 10;  // of a stream, in bytes

enum class EntryKind { kFile, kDirectory, kSymlink, kHardLink, kFifo, kCharDevice, kBlockDevice };

// A moment as files have it; `nanoseconds` is 0 to 999'999'999, also before 1970.
struct FileTime {
  int64_t seconds = 0;
  uint32_t nanoseconds = 0;

  friend bool operator==(const FileTime&, const FileTime&) = default;
};

// A run of content in a sparse file; what lies between two runs is a hole.
struct Extent {
  uint64_t offset = 0;
  uint64_t size = 0;

  friend bool operator==(const Extent&, const Extent&) = default;
};

// One member of a tree, without its content.
struct Entry {
  EntryKind kind = EntryKind::kFile;
  std::string name;    // relative, components joined by '/'; as the stream says it, so not yet safe
  std::string target;  // of a symbolic link; of a hard link another entry's name
  mode_t mode = 0644;  // permissions with setuid, setgid and sticky
  uint64_t uid = 0;
  uint64_t gid = 0;
  FileTime modified;
  uint64_t size = 0;  // of a file, holes included
  uint32_t device_major = 0;
  uint32_t device_minor = 0;
  // Its content goes on in the next entry, which has the same name: a file whose size nobody knew
  // beforehand. Our own extension of tar (the pax record EMBER.continued).
  bool continued = false;
};

// What has gone through a source or a sink.
struct TreeSummary {
  uint64_t files = 0;                // entries
  uint64_t bytes = 0;                // of file content, without holes
  std::vector<std::string> skipped;  // names of what can't be carried, at most kMaxSkippedNames

  void Skip(std::string name) {
    if (skipped.size() < kMaxSkippedNames) skipped.push_back(std::move(name));
  }
};

}  // namespace ember::tree
