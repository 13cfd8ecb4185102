#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/tree/tar_header.h"
#include "base/tree/tree_sink.h"
#include "base/tree/tree_source.h"

// Streams as tests make and use them, whole in memory.
namespace ember::testing {

// A stream entry by entry, also of entries that no source would send.
class TarStream {
 public:
  TarStream& File(std::string name, std::string_view content);
  TarStream& Directory(std::string name);
  TarStream& Symlink(std::string name, std::string target);
  TarStream& HardLink(std::string name, std::string target);
  TarStream& Add(const tree::Entry& entry, std::string_view content = "");
  // Records before the next entry.
  TarStream& Pax(std::string_view records);
  // With the end of the stream.
  std::string Whole() const { return bytes_ + std::string(tree::TarEnd()); }
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

std::string StreamOf(const std::filesystem::path& path, tree::SourceOptions options = {},
                     tree::TreeSummary* summary = nullptr);

// Unpacks `stream` into the directory, `step` bytes at a time.
absl::StatusOr<tree::TreeSummary> Unpack(std::string_view stream, const std::string& directory,
                                         tree::SinkOptions options = {}, size_t step = 4096);

std::string ContentOf(const std::filesystem::path& path);
void Write(const std::filesystem::path& path, std::string_view content);

// Everything below `path`, a line each: name, type and mode, time, target or content's checksum.
std::vector<std::string> Listing(const std::filesystem::path& path);

// How many entries a tree has, also while it changes.
size_t EntryCount(const std::filesystem::path& path);

}  // namespace ember::testing
