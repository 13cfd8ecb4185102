#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "absl/time/time.h"

namespace ember::images {

enum class EntryType {
  kFile,
  kDirectory,
  kSymlink,
  kHardLink,  // another name of an entry that came before
  kCharDevice,
  kBlockDevice,
  kFifo,
  kSocket,
  // These two come from layers only, and take away what lower layers have: the entry at the path
  // with all below it, or only what is below it.
  kRemoval,
  kRemovalOfContent,
};

// One name of a root filesystem, as an archive or a folder describes it. The content of a file
// comes separately.
struct Entry {
  std::string path;  // as the source says; NormalizePath makes it safe
  EntryType type = EntryType::kFile;
  uint32_t mode = 0644;  // permission bits with setuid, setgid and sticky
  uint32_t uid = 0;
  uint32_t gid = 0;
  absl::Time mtime = absl::UnixEpoch();
  std::string target;  // of a symbolic link: any text; of a hard link: a path
  uint32_t device_major = 0;
  uint32_t device_minor = 0;
  uint64_t size_bytes = 0;  // of a file, holes included
  // Of a source in layers: its number, rising. What comes with one layer is safe from the removals
  // of the same.
  uint32_t layer = 0;
  // By full name ("security.capability"); ACLs in the kernel's form ("system.posix_acl_access").
  std::map<std::string, std::string> xattrs;

  friend bool operator==(const Entry&, const Entry&) = default;
};

}  // namespace ember::images
