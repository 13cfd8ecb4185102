#include "guest-agent/json/staged_workspace.h"

#include <fcntl.h>

#include <cerrno>
#include <cstdio>

#include "base/status.h"
#include "base/status_macros.h"
#include "guest-agent/json/folder.h"
#include "guest-agent/json/tree_copy.h"
#include "guest-agent/json/tree_removal.h"
#include "guest-agent/json/workspace_archive.h"

namespace ember::agent {
namespace {

int Rename(int folder, const std::string& from, const std::string& to, unsigned flags) {
  return renameat2(folder, from.c_str(), folder, to.c_str(), flags) == 0 ? 0 : errno;
}

}  // namespace

// Always the same name: what a crash leaves is removed by the next restore.
StagedWorkspace::StagedWorkspace(const AllowedPath& live)
    : live_(live), name_("." + live.name + ".ember-restore") {}

StagedWorkspace::~StagedWorkspace() { (void)RemoveEntry(live_.parent.get(), name_, {}); }

absl::StatusOr<uint64_t> StagedWorkspace::Fill(int checkpoint, WorkspaceMethod method,
                                               const Cancellation& cancellation) {
  RETURN_IF_ERROR(RemoveEntry(live_.parent.get(), name_, cancellation).status());
  if (method == WorkspaceMethod::kReflink) return Copy(checkpoint, cancellation);
  return LoadArchive(checkpoint, kWorkspaceArchive, live_.parent.get(), name_, cancellation);
}

absl::StatusOr<uint64_t> StagedWorkspace::Copy(int checkpoint, const Cancellation& cancellation) {
  ASSIGN_OR_RETURN(const UniqueFd from, OpenFolderAt(checkpoint, kWorkspaceFolder));
  ASSIGN_OR_RETURN(const UniqueFd to, MakeFolders(live_.parent.get(), {&name_, 1}, 0700));
  Budget budget = Budget::Unlimited();
  TreeCopy copy(CopyMethod::kCloneOrCopy, budget, cancellation);
  RETURN_IF_ERROR(copy.CopyInto(from.get(), to.get()));
  return copy.count();
}

absl::Status StagedWorkspace::Swap() {
  int error = Rename(live_.parent.get(), name_, live_.name, RENAME_EXCHANGE);
  if (error == ENOENT) error = Rename(live_.parent.get(), name_, live_.name, RENAME_NOREPLACE);
  if (error == EINVAL) return SwapInSteps();
  return error == 0 ? absl::OkStatus() : ErrnoStatus(error, live_.path);
}

// For file systems that can't exchange.
absl::Status StagedWorkspace::SwapInSteps() {
  const int folder = live_.parent.get();
  const std::string old = name_ + "-old";
  const int away = Rename(folder, live_.name, old, 0);
  if (away != 0 && away != ENOENT) return ErrnoStatus(away, live_.path);
  if (const int error = Rename(folder, name_, live_.name, 0); error != 0) {
    if (away == 0) (void)Rename(folder, old, live_.name, 0);
    return ErrnoStatus(error, live_.path);
  }
  if (away == 0) (void)Rename(folder, old, name_, 0);  // for the destructor
  return absl::OkStatus();
}

}  // namespace ember::agent
