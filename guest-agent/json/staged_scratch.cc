#include "guest-agent/json/staged_scratch.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <span>
#include <utility>

#include "base/status.h"
#include "base/status_macros.h"
#include "guest-agent/json/allowed_path.h"
#include "guest-agent/json/folder.h"
#include "guest-agent/json/manifest.h"
#include "guest-agent/json/scratch_files.h"
#include "guest-agent/json/tree_copy.h"
#include "guest-agent/json/tree_removal.h"

namespace ember::agent {
namespace {

// Of a path, the components of the directory that the file is in.
std::span<const std::string> FoldersOf(const std::vector<std::string>& components) {
  return std::span(components).first(components.size() - 1);
}

}  // namespace

StagedScratch::StagedScratch(const std::string& checkpoint_id)
    : name_(".ember-restore-" + checkpoint_id) {}

StagedScratch::~StagedScratch() {
  if (root_.valid()) (void)RemoveEntry(root_.get(), name_, {});
}

absl::Status StagedScratch::Fill(int checkpoint, const std::vector<std::string>& paths,
                                 const Cancellation& cancellation) {
  ASSIGN_OR_RETURN(root_, OpenFolder(kScratchRoot));
  RETURN_IF_ERROR(RemoveEntry(root_.get(), name_, cancellation).status());
  // 0700: nobody else gets at it.
  ASSIGN_OR_RETURN(folder_, MakeFolders(root_.get(), {&name_, 1}, 0700));
  for (const std::string& path : paths) {
    ASSIGN_OR_RETURN(auto components, BelowScratchRoot(path));
    RETURN_IF_ERROR(Annotate(Stage(checkpoint, std::move(components), cancellation), path));
  }
  return absl::OkStatus();
}

absl::Status StagedScratch::Stage(int checkpoint, Components components,
                                  const Cancellation& cancellation) {
  ASSIGN_OR_RETURN(UniqueFd from, OpenFolderAt(checkpoint, kScratchFolder));
  for (const std::string& folder : FoldersOf(components)) {
    ASSIGN_OR_RETURN(from, OpenFolderAt(from.get(), folder));
  }
  Budget budget = Budget::Unlimited();
  TreeCopy copy(CopyMethod::kCloneOrCopy, budget, cancellation);
  RETURN_IF_ERROR(
      copy.CopyFile(from.get(), components.back(), folder_.get(), std::to_string(files_.size())));
  files_.push_back(std::move(components));
  return absl::OkStatus();
}

absl::Status StagedScratch::PutBack(const std::vector<std::string>& globs) {
  RETURN_IF_ERROR(ForEachScratchFile(globs, {}, [](const ScratchFile& file) {
    if (unlinkat(file.folder, file.name.c_str(), 0) == 0 || errno == ENOENT) {
      return absl::OkStatus();
    }
    return ErrnoStatus(errno, file.path);
  }));
  for (size_t number = 0; number < files_.size(); ++number) RETURN_IF_ERROR(Place(number));
  return absl::OkStatus();
}

absl::Status StagedScratch::Place(size_t number) {
  const Components& components = files_[number];
  ASSIGN_OR_RETURN(const UniqueFd to, MakeFolders(root_.get(), FoldersOf(components), 0755));
  if (renameat(folder_.get(), std::to_string(number).c_str(), to.get(),
               components.back().c_str()) != 0) {
    return ErrnoStatus(errno, components.back());
  }
  return absl::OkStatus();
}

}  // namespace ember::agent
