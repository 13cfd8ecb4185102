#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "backends/images/entry_path.h"
#include "backends/images/entry_source.h"
#include "backends/images/ext4_source.h"
#include "backends/images/list_source.h"
#include "tests/support/status_matchers.h"

namespace ember::testing {

using EntryMap = std::map<std::string, images::ListedEntry>;

// All that a source has, by normalized path; holes are filled with zeros.
inline EntryMap ReadEntries(images::EntrySource& source) {
  EntryMap entries;
  while (auto entry = ValueOf(source.Next())) {
    images::ListedEntry& item = entries[ValueOf(images::NormalizePath(entry->path))];
    item.entry = *entry;
    item.entry.path = ValueOf(images::NormalizePath(entry->path));
    if (entry->type != images::EntryType::kFile) continue;
    while (const auto block = ValueOf(source.NextBlock())) {
      item.content.resize(block->offset, '\0');
      item.content.append(block->bytes);
    }
    item.content.resize(entry->size_bytes, '\0');
  }
  return entries;
}

inline EntryMap ReadExt4(const std::filesystem::path& image) {
  return ReadEntries(*ValueOf(images::OpenExt4Source(image)));
}

}  // namespace ember::testing
