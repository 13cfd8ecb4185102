#pragma once

#include <sys/stat.h>

#include <optional>

#include "backends/images/entry.h"

namespace ember::images {

// What a file of this mode (inode(7)) is; nothing for a type that Linux does not have.
inline std::optional<EntryType> TypeOfMode(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFREG:
      return EntryType::kFile;
    case S_IFDIR:
      return EntryType::kDirectory;
    case S_IFLNK:
      return EntryType::kSymlink;
    case S_IFCHR:
      return EntryType::kCharDevice;
    case S_IFBLK:
      return EntryType::kBlockDevice;
    case S_IFIFO:
      return EntryType::kFifo;
    case S_IFSOCK:
      return EntryType::kSocket;
    default:
      return std::nullopt;
  }
}

}  // namespace ember::images
