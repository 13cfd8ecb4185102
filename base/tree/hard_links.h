#pragma once

#include <sys/types.h>

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>

namespace ember::tree {

// Files with several names that a source has sent: the next name of one is sent as a hard link.
// Remembers at most 32 MiB of names; what does not fit in is sent as a file of its own.
class SentFiles {
 public:
  // The name that the file was sent under, or null; then it is remembered under `name`.
  const std::string* FindOrAdd(dev_t device, ino_t inode, const std::string& name);

 private:
  std::map<std::pair<dev_t, ino_t>, std::string> names_;
  size_t bytes_ = 0;
};

// Names of files that a sink has made: only those may be linked to. Remembers a million, by their
// hashes: should two be the same, a link reaches another file below the same root, no more.
class MadeFiles {
 public:
  void Add(std::string_view name);
  bool Has(std::string_view name) const;

 private:
  std::unordered_set<size_t> hashes_;
};

}  // namespace ember::tree
