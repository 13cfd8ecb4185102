#pragma once

#include <archive.h>
#include <archive_entry.h>

#include <filesystem>
#include <string>

#include "base/check.h"

namespace ember::testing {

// Writes a pax archive entry by entry; complete when it is destroyed.
class TarFile {
 public:
  using Filter = int (*)(struct archive*);

  explicit TarFile(const std::filesystem::path& path, Filter filter = archive_write_add_filter_none)
      : writer_(archive_write_new()), entry_(archive_entry_new()) {
    archive_write_set_format_pax(writer_);
    filter(writer_);
    EMBER_CHECK(archive_write_open_filename(writer_, path.c_str()) == ARCHIVE_OK);
  }
  TarFile(const TarFile&) = delete;
  TarFile& operator=(const TarFile&) = delete;
  ~TarFile() {
    archive_entry_free(entry_);
    archive_write_free(writer_);
  }

  // The entry to fill before the next Add or File; cleared after it.
  struct archive_entry* next() {
    return entry_;
  }

  void Add(const std::string& path, mode_t type, mode_t permissions) {
    archive_entry_set_pathname(entry_, path.c_str());
    archive_entry_set_filetype(entry_, type);
    archive_entry_set_perm(entry_, permissions);
    Put("");
  }
  void Folder(const std::string& path, mode_t permissions = 0755) {
    Add(path, AE_IFDIR, permissions);
  }
  void File(const std::string& path, const std::string& content, mode_t permissions = 0644) {
    archive_entry_set_pathname(entry_, path.c_str());
    archive_entry_set_filetype(entry_, AE_IFREG);
    archive_entry_set_perm(entry_, permissions);
    archive_entry_set_size(entry_, static_cast<la_int64_t>(content.size()));
    Put(content);
  }
  void Symlink(const std::string& path, const std::string& target) {
    archive_entry_set_symlink(entry_, target.c_str());
    Add(path, AE_IFLNK, 0777);
  }
  void HardLink(const std::string& path, const std::string& target) {
    archive_entry_set_pathname(entry_, path.c_str());
    archive_entry_set_filetype(entry_, AE_IFREG);
    archive_entry_set_hardlink(entry_, target.c_str());
    Put("");
  }

 private:
  void Put(const std::string& content) {
    EMBER_CHECK(archive_write_header(writer_, entry_) >= ARCHIVE_WARN);
    if (!content.empty()) archive_write_data(writer_, content.data(), content.size());
    EMBER_CHECK(archive_write_finish_entry(writer_) >= ARCHIVE_WARN);
    archive_entry_clear(entry_);
  }

  struct archive* writer_;
  struct archive_entry* entry_;
};

}  // namespace ember::testing
