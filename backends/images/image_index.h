#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backends/images/image_record.h"

namespace ember::images {

// Which images there are and what they are called:
//   <dir>/records/<hex>.json   an image, under its id; never changed
//   <dir>/records/<hex>.kept   it stays without a name (its name was given to another image)
//   <dir>/names/<file>         a name (image_name.h): a symbolic link to the record
//   <dir>/rootfs/<hex>.ext4    a root filesystem, under its digest
// Names appear, move and go in one step, and a record is read through its name in one step.
// Changes are durable. Reading is safe from any thread; changes are for one thread at a time.
class ImageIndex {
 public:
  explicit ImageIndex(std::filesystem::path dir);

  // Makes the folders and removes what was interrupted: temporary files, names of no record,
  // records without a name that are not kept, root filesystems of no record. Once, at first.
  absl::Status Prepare();

  // NotFound without a hint when there is none; DataLoss, naming the file, for a damaged record.
  absl::StatusOr<ImageRecord> ByName(std::string_view name) const;
  // `id_prefix`: the beginning of the 64 digits of an id. FailedPrecondition when several ids begin
  // so.
  absl::StatusOr<ImageRecord> ById(std::string_view id_prefix) const;
  // Once for each name, and for each image without one; by name.
  absl::StatusOr<std::vector<ImageRecord>> List() const;
  // Once for each image.
  absl::StatusOr<std::vector<ImageRecord>> Records() const;

  absl::Status AddRecord(const ImageRecord& image);
  // The record and, before it, its names. What it refers to stays.
  absl::Status RemoveRecord(const ImageRecord& image);
  // AlreadyExists when the name is taken.
  absl::Status AddName(std::string_view name, const std::string& id);
  // Whoever has it. An image that loses its last name so is kept without one.
  absl::Status MoveName(std::string_view name, const std::string& id);
  absl::Status RemoveName(std::string_view name);

  std::filesystem::path RootfsPath(const std::string& digest) const;
  const std::filesystem::path& dir() const { return dir_; }

 private:
  using NamesById = std::map<std::string, std::vector<std::string>, std::less<>>;  // key: hex

  absl::StatusOr<NamesById> ReadNames() const;
  absl::StatusOr<ImageRecord> Read(const std::filesystem::path& path, const std::string& name,
                                   const NamesById& names) const;
  absl::StatusOr<std::vector<std::string>> RecordHexes() const;
  std::filesystem::path RecordPath(const std::string& hex) const;
  std::filesystem::path NamePath(std::string_view name) const;
  absl::Status RemoveUnfinished();
  absl::Status RemoveUnusedRootfs();

  const std::filesystem::path dir_;
};

}  // namespace ember::images
