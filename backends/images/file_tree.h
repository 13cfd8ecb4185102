#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backends/images/entry.h"

namespace ember::images {

// A name in the filesystem that is being written. Files keep only their inode; folders and symbolic
// links what later entries need.
struct TreeNode {
  EntryType type = EntryType::kDirectory;
  uint32_t inode = 0;
  TreeNode* parent = nullptr;  // the root's is itself
  uint32_t depth = 0;
  uint32_t layer = 0;             // that it came with
  std::string target;             // of a symbolic link
  std::unique_ptr<Entry> folder;  // of a folder: its own description
  std::map<std::string, std::unique_ptr<TreeNode>, std::less<>> children;
};

// Where an entry goes: a name in a folder.
struct TreePlace {
  TreeNode* folder = nullptr;
  std::string name;  // empty: the root itself
};

// All names of the filesystem that is being written, in memory. Nothing here touches the host's
// filesystem, so a symbolic link or ".." in an archive can lead nowhere but within this tree. Not
// thread-safe.
class FileTree {
 public:
  FileTree();

  TreeNode& root() { return root_; }

  // The place for a normalized path, for an entry of `layer`. Symbolic links among the folders on
  // the way are followed within the tree ("/" and ".." stay below its root), as an unpacked archive
  // would have it; missing folders are made with mode 0755. InvalidArgument, naming the entry, when
  // the way leads through a file, through a link that leads nowhere or in a circle, or over 1000
  // folders deep.
  absl::StatusOr<TreePlace> Place(std::string_view path, uint32_t layer);

  // The node at a normalized path, following links on the way but not at its end; null when there
  // is none.
  TreeNode* Find(std::string_view path);
  // Where that node is; nothing when there is none.
  std::optional<TreePlace> FindPlace(std::string_view path);

  // The folder at a normalized path, following links also at its end; null when there is none.
  TreeNode* FindFolder(std::string_view path);

  // Takes away what is below `folder`, and before that all below it, as far as it came with a layer
  // below `layer`; a folder stays when something newer in it does. `forget` gets each node that is
  // no folder before it goes.
  using Forget = std::function<void(TreeNode&)>;
  static void SweepContent(TreeNode& folder, uint32_t layer, const Forget& forget);
  // The same for the node at a place itself.
  static void Sweep(const TreePlace& place, uint32_t layer, const Forget& forget);

  // The node at a place; null when there is none.
  static TreeNode* At(const TreePlace& place);

  // Adds a node at a free place.
  static TreeNode& Insert(const TreePlace& place, std::unique_ptr<TreeNode> node);

 private:
  enum class Missing { kMake, kFail };

  // A walk along a path, and how far it has come.
  struct Way {
    std::string_view whole;  // for errors
    Missing missing = Missing::kFail;
    uint32_t layer = 0;  // of the folders that are made
    std::string rest;
    int hops = 0;
  };

  absl::StatusOr<TreeNode*> Walk(Way way);
  absl::StatusOr<TreeNode*> Step(TreeNode* at, std::string_view name, Way& way);

  TreeNode root_;
};

}  // namespace ember::images
