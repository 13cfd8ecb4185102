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

std::unique_ptr<Entry> PlainFolder() {
  auto folder = std::make_unique<Entry>();
  folder->type = EntryType::kDirectory;
  folder->mode = 0755;
  return folder;
}

// Whether the node goes, after what is below it has been swept.
bool SweepNode(TreeNode& node, uint32_t layer, const FileTree::Forget& forget) {
  if (node.type == EntryType::kDirectory) {
    FileTree::SweepContent(node, layer, forget);
    return node.layer < layer && node.children.empty();
  }
  if (node.layer >= layer) return false;
  forget(node);
  return true;
}

}  // namespace

FileTree::FileTree() {
  root_.parent = &root_;
  root_.folder = PlainFolder();
}

TreeNode* FileTree::At(const TreePlace& place) {
  if (place.name.empty()) return place.folder;
  const auto found = place.folder->children.find(place.name);
  return found == place.folder->children.end() ? nullptr : found->second.get();
}

TreeNode& FileTree::Insert(const TreePlace& place, std::unique_ptr<TreeNode> node) {
  node->parent = place.folder;
  node->depth = place.folder->depth + 1;
  if (node->type == EntryType::kDirectory && node->folder == nullptr) node->folder = PlainFolder();
  return *(place.folder->children[place.name] = std::move(node));
}

absl::StatusOr<TreeNode*> FileTree::Step(TreeNode* at, std::string_view name, Way& way) {
  if (name.empty() || name == ".") return at;
  if (name == "..") return at->parent;
  TreeNode* next = At({at, std::string(name)});
  if (next == nullptr) {
    // What a link points to is not made up: only plain missing folders are.
    if (way.missing == Missing::kFail || way.hops > 0) {
      return InvalidArgument("entry '{}' is in a folder that does not exist", way.whole);
    }
    if (at->depth >= kMaxDepth) return InvalidArgument("entry '{}' is too deep", way.whole);
    auto made = std::make_unique<TreeNode>();
    made->layer = way.layer;
    return &Insert({at, std::string(name)}, std::move(made));
  }
  if (next->type == EntryType::kDirectory) return next;
  if (next->type != EntryType::kSymlink) {
    return InvalidArgument("entry '{}' leads through '{}', which is no folder", way.whole, name);
  }
  if (++way.hops > kMaxLinkHops) {
    return InvalidArgument("entry '{}' leads through too many symbolic links", way.whole);
  }
  way.rest = next->target + "/" + way.rest;
  return next->target.starts_with("/") ? &root_ : at;
}

absl::StatusOr<TreeNode*> FileTree::Walk(Way way) {
  TreeNode* at = &root_;
  while (!way.rest.empty()) {
    const size_t end = std::min(way.rest.find('/'), way.rest.size());
    const std::string name = way.rest.substr(0, end);
    way.rest.erase(0, end + 1);
    ASSIGN_OR_RETURN(at, Step(at, name, way));
  }
  return at;
}

absl::StatusOr<TreePlace> FileTree::Place(std::string_view path, uint32_t layer) {
  ASSIGN_OR_RETURN(TreeNode * folder,
                   Walk({path, Missing::kMake, layer, std::string(FolderOf(path))}));
  if (folder->depth >= kMaxDepth) return InvalidArgument("entry '{}' is too deep", path);
  return TreePlace{folder, std::string(NameOf(path))};
}

std::optional<TreePlace> FileTree::FindPlace(std::string_view path) {
  const auto folder = Walk({path, Missing::kFail, 0, std::string(FolderOf(path))});
  if (!folder.ok()) return std::nullopt;
  TreePlace place{*folder, std::string(NameOf(path))};
  if (At(place) == nullptr) return std::nullopt;
  return place;
}

TreeNode* FileTree::Find(std::string_view path) {
  const std::optional<TreePlace> place = FindPlace(path);
  return place.has_value() ? At(*place) : nullptr;
}

TreeNode* FileTree::FindFolder(std::string_view path) {
  const auto folder = Walk({path, Missing::kFail, 0, std::string(path)});
  return folder.ok() ? *folder : nullptr;
}

void FileTree::SweepContent(TreeNode& folder, uint32_t layer, const Forget& forget) {
  std::erase_if(folder.children,
                [&](auto& child) { return SweepNode(*child.second, layer, forget); });
}

void FileTree::Sweep(const TreePlace& place, uint32_t layer, const Forget& forget) {
  TreeNode* node = At(place);
  if (node != nullptr && node->parent != node && SweepNode(*node, layer, forget)) {
    place.folder->children.erase(place.name);
  }
}

}  // namespace ember::images
