#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "base/cancellation.h"

// Copies of trees within the guest: content shared with the original where the file system can.
namespace ember::agent {

// Bytes that may still be written.
class Budget {
 public:
  static Budget Unlimited() { return Budget(UINT64_MAX, 0); }
  // `used` of `quota` are taken already.
  Budget(uint64_t quota, uint64_t used) : quota_(quota), used_(used) {}

  // ResourceExhausted, with both numbers, once it is over the quota.
  absl::Status Charge(uint64_t bytes);

 private:
  uint64_t quota_;
  uint64_t used_;
};

// kClone: a file that can't share its content (FICLONE, ioctl_ficlone(2)) ends the copy with
// Unimplemented. kCloneOrCopy: its bytes are copied, its holes kept.
enum class CopyMethod { kClone, kCloneOrCopy };

// Copies with modes, owners, times, extended attributes, and links as links. Sockets are left out;
// of a mounted file system there is an empty directory. Not thread-safe.
class TreeCopy {
 public:
  // All three are borrowed.
  TreeCopy(CopyMethod method, Budget& budget, const Cancellation& cancellation)
      : method_(method), budget_(budget), cancellation_(cancellation) {}

  // What is in the directory `from` into the empty directory `to`, which gets the attributes of
  // `from` as well. At most 200 deep. After an error a part of it is there.
  absl::Status CopyInto(int from, int to);
  // One regular file, under a name that is free.
  absl::Status CopyFile(int from, const std::string& name, int to, const std::string& new_name);

  // Entries that were made.
  uint64_t count() const { return count_; }

 private:
  struct Place;
  absl::Status CopyFolder(const Place& place, size_t depth);
  absl::Status CopyEntry(const Place& place, const std::string& name, size_t depth);
  absl::Status CopyBelow(const Place& place, const std::string& name, size_t depth);
  absl::Status CopyLink(const Place& place, const std::string& name);
  absl::Status CopySpecial(const Place& place, const std::string& name);
  absl::Status CopyContent(int from, int to, off_t size);
  // True when `name` became a hard link of a copy that was made before.
  bool LinkedAgain(const Place& place, const std::string& name);

  const CopyMethod method_;
  Budget& budget_;
  const Cancellation& cancellation_;
  int top_ = -1;                                                 // of the copy
  std::map<std::pair<uint64_t, uint64_t>, std::string> linked_;  // (device, inode): path below top_
  uint64_t count_ = 0;
};

}  // namespace ember::agent
