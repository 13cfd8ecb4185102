#include "base/tree/hard_links.h"

#include <functional>

namespace ember::tree {
namespace {

constexpr size_t kMaxNameBytes = size_t{32} << 20;
constexpr size_t kMaxNames = 1'000'000;

}  // namespace

const std::string* SentFiles::FindOrAdd(dev_t device, ino_t inode, const std::string& name) {
  const auto found = names_.find({device, inode});
  if (found != names_.end()) return &found->second;
  if (bytes_ + name.size() > kMaxNameBytes) return nullptr;
  bytes_ += name.size();
  names_.emplace(std::pair(device, inode), name);
  return nullptr;
}

void MadeFiles::Add(std::string_view name) {
  if (hashes_.size() < kMaxNames) hashes_.insert(std::hash<std::string_view>()(name));
}

bool MadeFiles::Has(std::string_view name) const {
  return hashes_.contains(std::hash<std::string_view>()(name));
}

}  // namespace ember::tree
