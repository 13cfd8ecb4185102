#pragma once

#include <dirent.h>
#include <sys/stat.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/tree/file_source.h"
#include "base/tree/hard_links.h"
#include "base/tree/piece_writer.h"

namespace ember::tree {

struct SourceOptions {
  bool follow_symlinks = false;  // send what links point to; one that points nowhere goes as it is
  bool contents = false;         // of a directory its entries, without itself
};

// Sends a file or a tree as a tar stream (POSIX pax, sparse files as GNU.sparse 1.0). Walks with
// descriptors, so renames on the way do not lead it astray; a file that changes while it is read
// still fills its entry exactly. Sockets can't be carried: they are skipped and named. Entries of a
// directory come in no order, each directory before what is in it. Not thread-safe.
class TreeSource {
 public:
  // Sends all of `path`, named as its last component, and the end of the stream; flushes `out`.
  // Links in `path`, also as its last component, are followed: it is the caller's word. Blocks on
  // the disk and in `out`. NotFound when there is no such file.
  static absl::StatusOr<TreeSummary> Send(const std::string& path, SourceOptions options,
                                          PieceWriter& out);

 private:
  TreeSource(std::string path, SourceOptions options, PieceWriter& out);
  absl::Status SendTop();
  // `name` in `directory`, as the entry `name_`; `type` as readdir(3) says it.
  absl::Status SendMember(int directory, const char* name, unsigned char type);
  absl::Status SendFile(int directory, const char* name);
  absl::Status SendDirectory(int directory, const char* name);
  absl::Status SendMembers(int fd);
  absl::Status SendSymlink(int directory, const char* name, const struct stat& status);
  absl::Status SendHeader(const Entry& entry);
  bool IsAncestor(const struct stat& status) const;
  absl::Status Failure(int error) const;

  const std::string path_;
  const SourceOptions options_;
  bool follow_ = true;  // the link that is met next; after the top as the options say
  PieceWriter& out_;
  std::string name_;   // of the entry under way
  size_t prefix_ = 0;  // of name_ that is in path_ too
  std::vector<std::pair<dev_t, ino_t>> ancestors_;
  SentFiles sent_;
  TreeSummary summary_;
};

}  // namespace ember::tree
