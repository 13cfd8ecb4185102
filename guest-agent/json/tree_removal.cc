#include "guest-agent/json/tree_removal.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "base/status.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"
#include "guest-agent/json/folder.h"

namespace ember::agent {
namespace {

// Directories deeper than this are moved up to the top and removed from there.
constexpr size_t kMostDepth = 64;
// Looks at the top, which somebody may go on to fill.
constexpr int kMostRounds = 1000;

class TreeRemoval {
 public:
  explicit TreeRemoval(const Cancellation& cancellation) : cancellation_(cancellation) {}

  absl::Status Remove(int parent, const std::string& name) {
    ASSIGN_OR_RETURN(const Outcome outcome, Unlink(parent, name));
    if (outcome == Outcome::kGone) return absl::OkStatus();
    ASSIGN_OR_RETURN(const UniqueFd top, OpenOwn(parent, name));
    top_ = top.get();
    for (int round = 0; round < kMostRounds; ++round) {
      RETURN_IF_ERROR(Empty(top_, 0));
      ASSIGN_OR_RETURN(const Outcome emptied, RemoveFolder(parent, name));
      if (emptied == Outcome::kGone) return absl::OkStatus();
    }
    return Aborted("'{}' is filled again all the time", name);
  }

  uint64_t count() const { return count_; }

 private:
  enum class Outcome { kGone, kFolder };

  absl::StatusOr<Outcome> Unlink(int parent, const std::string& name) {
    if (unlinkat(parent, name.c_str(), 0) == 0) {
      ++count_;
      return Outcome::kGone;
    }
    if (errno == ENOENT) return Outcome::kGone;
    // EPERM: what some file systems say of a directory; opening it tells.
    if (errno == EISDIR || errno == EPERM) return Outcome::kFolder;
    return ErrnoStatus(errno, name);
  }

  // kFolder: somebody has put something into it.
  absl::StatusOr<Outcome> RemoveFolder(int parent, const std::string& name) {
    if (unlinkat(parent, name.c_str(), AT_REMOVEDIR) == 0) {
      ++count_;
      return Outcome::kGone;
    }
    if (errno == ENOENT) return Outcome::kGone;
    if (errno == ENOTEMPTY || errno == EEXIST) return Outcome::kFolder;
    return ErrnoStatus(errno, name);
  }

  static absl::StatusOr<UniqueFd> OpenOwn(int parent, const std::string& name) {
    ASSIGN_OR_RETURN(UniqueFd folder, OpenFolderAt(parent, name));
    if (IsMountPoint(folder.get())) {
      return FailedPrecondition("a file system is mounted at '{}'", name);
    }
    return folder;
  }

  absl::Status Empty(int folder, size_t depth) {
    ASSIGN_OR_RETURN(const auto names, NamesIn(folder));
    for (const std::string& name : names) {
      RETURN_IF_ERROR(cancellation_.Check("removal"));
      ASSIGN_OR_RETURN(const Outcome outcome, Unlink(folder, name));
      if (outcome == Outcome::kFolder) RETURN_IF_ERROR(EmptyBelow(folder, name, depth));
    }
    return absl::OkStatus();
  }

  // What can't be removed yet is left to the next round.
  absl::Status EmptyBelow(int folder, const std::string& name, size_t depth) {
    if (depth == kMostDepth) return MoveToTop(folder, name);
    ASSIGN_OR_RETURN(const UniqueFd below, OpenOwn(folder, name));
    RETURN_IF_ERROR(Empty(below.get(), depth + 1));
    return RemoveFolder(folder, name).status();
  }

  absl::Status MoveToTop(int folder, const std::string& name) {
    const std::string fresh = fmt::format(".ember-removed-{}", moved_++);
    if (renameat2(folder, name.c_str(), top_, fresh.c_str(), RENAME_NOREPLACE) != 0 &&
        errno != EEXIST && errno != ENOENT) {
      return ErrnoStatus(errno, name);
    }
    return absl::OkStatus();
  }

  const Cancellation& cancellation_;
  int top_ = -1;
  uint64_t count_ = 0;
  uint64_t moved_ = 0;
};

}  // namespace

absl::StatusOr<uint64_t> RemoveEntry(int parent, const std::string& name,
                                     const Cancellation& cancellation) {
  TreeRemoval removal(cancellation);
  RETURN_IF_ERROR(removal.Remove(parent, name));
  return removal.count();
}

}  // namespace ember::agent
