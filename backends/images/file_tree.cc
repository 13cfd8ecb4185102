#include "backends/images/file_tree.h"

#include <algorithm>

#include "base/status.h"
#include "base/status_macros.h"

namespace ember::images {
namespace {

constexpr int kMaxLinkHops = 40;  // as the kernel
constexpr uint32_t kMaxDepth = 1000;

std::string_view FolderOf(std::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == path.npos ? std::string_view() : path.substr(0, slash);
}

std::string_view NameOf(std::string_view path) { return path.substr(path.rfind('/') + 1); }

std::unique_ptr<TreeNode> NewFolder() {
  auto node = std::make_unique<TreeNode>();
  node->folder.type = EntryType::kDirectory;
  node->folder.mode = 0755;
  return node;
}

}  // namespace

FileTree::FileTree() {
  root_.parent = &root_;
  root_.folder.type = EntryType::kDirectory;
  root_.folder.mode = 0755;
}

TreeNode* FileTree::At(const TreePlace& place) {
  if (place.name.empty()) return place.folder;
  const auto found = place.folder->children.find(place.name);
  return found == place.folder->children.end() ? nullptr : found->second.get();
}

TreeNode& FileTree::Insert(const TreePlace& place, std::unique_ptr<TreeNode> node) {
  node->parent = place.folder;
  node->depth = place.folder->depth + 1;
  return *(place.folder->children[place.name] = std::move(node));
}

absl::StatusOr<TreeNode*> FileTree::Step(TreeNode* at, std::string_view name,
                                         std::string_view whole, Missing missing, std::string& rest,
                                         int& hops) {
  if (name.empty() || name == ".") return at;
  if (name == "..") return at->parent;
  TreeNode* next = At({at, std::string(name)});
  if (next == nullptr) {
    // What a link points to is not made up: only plain missing folders are.
    if (missing == Missing::kFail || hops > 0) {
      return InvalidArgument("entry '{}' is in a folder that does not exist", whole);
    }
    if (at->depth >= kMaxDepth) return InvalidArgument("entry '{}' is too deep", whole);
    return &Insert({at, std::string(name)}, NewFolder());
  }
  if (next->type == EntryType::kDirectory) return next;
  if (next->type != EntryType::kSymlink) {
    return InvalidArgument("entry '{}' leads through '{}', which is no folder", whole, name);
  }
  if (++hops > kMaxLinkHops) {
    return InvalidArgument("entry '{}' leads through too many symbolic links", whole);
  }
  rest = next->target + "/" + rest;
  return next->target.starts_with("/") ? &root_ : at;
}

absl::StatusOr<TreeNode*> FileTree::Walk(std::string_view path, std::string_view whole,
                                         Missing missing) {
  TreeNode* at = &root_;
  std::string rest(path);
  int hops = 0;
  while (!rest.empty()) {
    const size_t end = std::min(rest.find('/'), rest.size());
    const std::string name = rest.substr(0, end);
    rest.erase(0, end + 1);
    ASSIGN_OR_RETURN(at, Step(at, name, whole, missing, rest, hops));
  }
  return at;
}

absl::StatusOr<TreePlace> FileTree::Place(std::string_view path) {
  ASSIGN_OR_RETURN(TreeNode * folder, Walk(FolderOf(path), path, Missing::kMake));
  if (folder->depth >= kMaxDepth) return InvalidArgument("entry '{}' is too deep", path);
  return TreePlace{folder, std::string(NameOf(path))};
}

TreeNode* FileTree::Find(std::string_view path) {
  const auto folder = Walk(FolderOf(path), path, Missing::kFail);
  return folder.ok() ? At({*folder, std::string(NameOf(path))}) : nullptr;
}

}  // namespace ember::images
