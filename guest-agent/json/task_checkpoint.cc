#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "guest-agent/json/allowed_path.h"
#include "guest-agent/json/checkpoint_place.h"
#include "guest-agent/json/checkpoint_store.h"
#include "guest-agent/json/folder.h"
#include "guest-agent/json/manifest.h"
#include "guest-agent/json/operation.h"
#include "guest-agent/json/request.h"
#include "guest-agent/json/scratch_files.h"
#include "guest-agent/json/tree_copy.h"
#include "guest-agent/json/tree_removal.h"
#include "guest-agent/json/workspace_archive.h"

namespace ember::agent {
namespace {

constexpr uint64_t kDefaultQuota = uint64_t{1} << 30;

struct CheckpointRequest {
  std::optional<std::string> name;
  CheckpointPlace place;
  uint64_t quota;
};

// Fills the directory of one checkpoint. Not thread-safe.
class CheckpointWriter {
 public:
  CheckpointWriter(int folder, Budget budget, const Cancellation& cancellation)
      : folder_(folder), budget_(budget), cancellation_(cancellation) {}

  absl::Status Write(const CheckpointRequest& request, const AllowedPath& workspace) {
    manifest_.name = request.name;
    absl::Status kept = CloneWorkspace(workspace);
    if (absl::IsUnimplemented(kept)) kept = ArchiveWorkspace(workspace);
    RETURN_IF_ERROR(kept);
    RETURN_IF_ERROR(KeepScratchFiles(request.place.tmp_globs));
    return WriteManifest();
  }

 private:
  absl::Status CloneWorkspace(const AllowedPath& workspace) {
    ASSIGN_OR_RETURN(const UniqueFd from, OpenFolderAt(workspace.parent.get(), workspace.name));
    const std::string name = kWorkspaceFolder;
    ASSIGN_OR_RETURN(const UniqueFd to, MakeFolders(folder_, {&name, 1}, 0700));
    manifest_.method = WorkspaceMethod::kReflink;
    return TreeCopy(CopyMethod::kClone, budget_, cancellation_).CopyInto(from.get(), to.get());
  }

  absl::Status ArchiveWorkspace(const AllowedPath& workspace) {
    RETURN_IF_ERROR(RemoveEntry(folder_, kWorkspaceFolder, cancellation_).status());
    manifest_.method = WorkspaceMethod::kTarGz;
    return SaveArchive(workspace.parent.get(), workspace.name, folder_, kWorkspaceArchive, budget_,
                       cancellation_);
  }

  absl::Status KeepScratchFiles(const std::vector<std::string>& globs) {
    std::set<std::string> kept;
    return ForEachScratchFile(globs, cancellation_, [&](const ScratchFile& file) {
      if (!kept.insert(file.path).second) return absl::OkStatus();
      const absl::Status copied = KeepScratchFile(file);
      // One that is removed while we look is not there.
      return absl::IsNotFound(copied) ? absl::OkStatus() : copied;
    });
  }

  absl::Status KeepScratchFile(const ScratchFile& file) {
    ASSIGN_OR_RETURN(auto components, BelowScratchRoot(file.path));
    components.back() = kScratchFolder;  // the folders alone, from the top one on
    std::rotate(components.begin(), components.end() - 1, components.end());
    ASSIGN_OR_RETURN(const UniqueFd to, MakeFolders(folder_, components, 0700));
    TreeCopy copy(CopyMethod::kCloneOrCopy, budget_, cancellation_);
    RETURN_IF_ERROR(copy.CopyFile(file.folder, file.name, to.get(), file.name));
    manifest_.tmp_files.push_back(file.path);
    return absl::OkStatus();
  }

  absl::Status WriteManifest() {
    const std::string text = TextOf(manifest_) + "\n";
    RETURN_IF_ERROR(budget_.Charge(text.size()));
    const UniqueFd file(
        openat(folder_, kManifestFile, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!file.valid()) return ErrnoStatus(errno, kManifestFile);
    const ssize_t written = write(file.get(), text.data(), text.size());
    if (written < 0) return ErrnoStatus(errno, kManifestFile);
    if (static_cast<size_t>(written) < text.size()) return ErrnoStatus(ENOSPC, kManifestFile);
    return absl::OkStatus();
  }

  const int folder_;
  Budget budget_;
  const Cancellation& cancellation_;
  Manifest manifest_;
};

// Gives a complete checkpoint its name. What is in it is on the disk by then.
absl::Status Publish(int store, int folder, const std::string& staging, const std::string& id) {
  if (syncfs(folder) != 0) return ErrnoStatus(errno, "sync");
  if (renameat2(store, staging.c_str(), store, id.c_str(), RENAME_NOREPLACE) != 0) {
    return ErrnoStatus(errno, id);
  }
  return fsync(store) == 0 ? absl::OkStatus() : ErrnoStatus(errno, "sync");
}

absl::StatusOr<std::string> MakeCheckpoint(const CheckpointRequest& request,
                                           const Cancellation& cancellation) {
  using Store = CheckpointStore;
  ASSIGN_OR_RETURN(const AllowedPath workspace,
                   CheckAllowed(request.place.workspace, LastLink::kFollow));
  const auto there = OpenFolderAt(workspace.parent.get(), workspace.name);
  if (!there.ok()) return Annotate(there.status(), "workspace");
  ASSIGN_OR_RETURN(const Store store,
                   Store::Open(request.place.root, Store::IfMissing::kMake, cancellation));
  RETURN_IF_ERROR(store.CheckApart(workspace.path));
  RETURN_IF_ERROR(store.RemoveLeftovers(cancellation));
  ASSIGN_OR_RETURN(const uint64_t used, store.UsedBytes(cancellation));
  ASSIGN_OR_RETURN(const std::string id, NewCheckpointId());
  const std::string staging = Store::StagingName(id);
  const absl::Cleanup undo = [&store, &staging] {
    (void)RemoveEntry(store.folder(), staging, {});  // what stays is a leftover for the next one
  };
  ASSIGN_OR_RETURN(const UniqueFd folder, MakeFolders(store.folder(), {&staging, 1}, 0700));
  RETURN_IF_ERROR(CheckpointWriter(folder.get(), Budget(request.quota, used), cancellation)
                      .Write(request, workspace));
  RETURN_IF_ERROR(Publish(store.folder(), folder.get(), staging, id));
  return id;
}

}  // namespace

absl::StatusOr<BlockingWork> PlanTaskCheckpoint(const nlohmann::json& request) {
  CheckpointRequest asked;
  ASSIGN_OR_RETURN(const std::string name, OptionalString(request, "name", ""));
  if (!name.empty()) asked.name = name;
  ASSIGN_OR_RETURN(asked.place, CheckpointPlaceOf(request));
  ASSIGN_OR_RETURN(asked.quota, OptionalNumber(request, "quota_bytes", kDefaultQuota));
  return [asked](const Cancellation& cancellation) -> absl::StatusOr<Response> {
    ASSIGN_OR_RETURN(const std::string id, MakeCheckpoint(asked, cancellation));
    return Response{{"checkpoint_id", id}};
  };
}

}  // namespace ember::agent
