#pragma once

#include <archive.h>
#include <archive_entry.h>

#include <memory>
#include <string>

namespace ember::images {

struct ArchiveReadFree {
  void operator()(struct archive* archive) const { archive_read_free(archive); }
};
// Owns a libarchive reader.
using ArchiveReadHandle = std::unique_ptr<struct archive, ArchiveReadFree>;

// What libarchive says went wrong.
inline std::string ArchiveError(struct archive* archive) {
  const char* text = archive_error_string(archive);
  return text != nullptr ? text : "unknown error";
}

}  // namespace ember::images
