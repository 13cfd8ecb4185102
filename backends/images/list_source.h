#pragma once

#include <string>
#include <utility>
#include <vector>

#include "backends/images/entry_source.h"

namespace ember::images {

// An entry together with its content.
struct ListedEntry {
  Entry entry;
  std::string content;  // of a file

  friend bool operator==(const ListedEntry&, const ListedEntry&) = default;
};

// Reads entries that are already in memory; `list` is borrowed and must outlive the source.
class ListSource final : public EntrySource {
 public:
  explicit ListSource(const std::vector<ListedEntry>& list) : list_(list) {}

  absl::StatusOr<std::optional<Entry>> Next() override {
    if (next_ == list_.size()) return std::nullopt;
    content_left_ = true;
    Entry entry = list_[next_++].entry;
    entry.size_bytes = list_[next_ - 1].content.size();
    return entry;
  }

  absl::StatusOr<std::optional<EntryBlock>> NextBlock() override {
    if (!std::exchange(content_left_, false)) return std::nullopt;
    const std::string& content = list_[next_ - 1].content;
    bytes_read_ += content.size();
    return EntryBlock{0, content};
  }

  uint64_t bytes_read() const override { return bytes_read_; }

 private:
  const std::vector<ListedEntry>& list_;
  size_t next_ = 0;
  bool content_left_ = false;
  uint64_t bytes_read_ = 0;
};

}  // namespace ember::images
