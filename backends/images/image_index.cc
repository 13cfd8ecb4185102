#include "backends/images/image_index.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <set>

#include "backends/images/image_name.h"
#include "backends/images/record_file.h"
#include "backends/images/record_json.h"
#include "base/file.h"
#include "base/status.h"
#include "base/status_macros.h"

namespace ember::images {
namespace {

constexpr std::string_view kRecordSuffix = ".json";
constexpr std::string_view kKeptSuffix = ".kept";
constexpr std::string_view kRootfsSuffix = ".ext4";
constexpr size_t kHexDigits = 64;

// What a file of the store is called without its suffix; empty when it has another one.
std::string Stem(const std::filesystem::path& file, std::string_view suffix) {
  const std::string name = file.filename().native();
  return name.ends_with(suffix) ? name.substr(0, name.size() - suffix.size()) : "";
}

absl::StatusOr<std::vector<std::filesystem::path>> FilesIn(const std::filesystem::path& dir) {
  std::vector<std::filesystem::path> files;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(dir, error)) {
    files.push_back(entry.path());
  }
  if (error) return ErrnoStatus(error.value(), dir.native());
  return files;
}

// An image of the earlier layout may be called as one of our folders is; its files lie there too.
bool IsLegacy(const std::filesystem::path& file) {
  return file.filename() == "image.json" || file.filename() == "rootfs.ext4";
}

absl::Status Remove(const std::filesystem::path& path) {
  if (unlink(path.c_str()) == 0 || errno == ENOENT) return absl::OkStatus();
  return ErrnoStatus(errno, path.native());
}

std::filesystem::path LinkTarget(const std::string& id) {
  return std::filesystem::path("../records") / (DigestHex(id) + std::string(kRecordSuffix));
}

}  // namespace

ImageIndex::ImageIndex(std::filesystem::path dir) : dir_(std::move(dir)) {}

std::filesystem::path ImageIndex::RecordPath(const std::string& hex) const {
  return dir_ / "records" / (hex + std::string(kRecordSuffix));
}

std::filesystem::path ImageIndex::NamePath(std::string_view name) const {
  return dir_ / "names" / ImageNameToFile(name);
}

std::filesystem::path ImageIndex::RootfsPath(const std::string& digest) const {
  return dir_ / "rootfs" / (DigestHex(digest) + std::string(kRootfsSuffix));
}

absl::Status ImageIndex::Prepare() {
  for (const char* folder : {"records", "names", "rootfs"}) {
    RETURN_IF_ERROR(MakeDirectories(dir_ / folder, 0755));
  }
  RETURN_IF_ERROR(RemoveUnfinished());
  return RemoveUnusedRootfs();
}

// A name is the last thing that an image gets, so a record that has none was on its way, unless it
// says that it stays without.
absl::Status ImageIndex::RemoveUnfinished() {
  ASSIGN_OR_RETURN(const auto names, FilesIn(dir_ / "names"));
  for (const std::filesystem::path& name : names) {
    if (IsLegacy(name)) continue;
    const bool leads_on = access(name.c_str(), F_OK) == 0;
    if (!leads_on || !ImageNameFromFile(name.filename().native()).has_value()) {
      RETURN_IF_ERROR(Remove(name));
    }
  }
  ASSIGN_OR_RETURN(const NamesById named, ReadNames());
  ASSIGN_OR_RETURN(const auto records, FilesIn(dir_ / "records"));
  for (const std::filesystem::path& file : records) {
    if (IsLegacy(file)) continue;
    const std::string record = Stem(file, kRecordSuffix);
    const std::string kept = Stem(file, kKeptSuffix);
    std::filesystem::path other = file;
    const bool stays = !record.empty()
                           ? named.contains(record) ||
                                 access(other.replace_extension(kKeptSuffix).c_str(), F_OK) == 0
                           : !kept.empty() && access(RecordPath(kept).c_str(), F_OK) == 0;
    if (!stays) RETURN_IF_ERROR(Remove(file));
  }
  return absl::OkStatus();
}

absl::Status ImageIndex::RemoveUnusedRootfs() {
  ASSIGN_OR_RETURN(const std::vector<std::string> hexes, RecordHexes());
  std::set<std::filesystem::path> used;
  for (const std::string& hex : hexes) {
    const auto record = ReadRecordFile(RecordPath(hex));
    // Of a damaged record nobody knows what it refers to: nothing is removed then.
    if (!record.ok()) return absl::OkStatus();
    used.insert(RootfsPath(TextField(*record, "digest")));
  }
  ASSIGN_OR_RETURN(const auto files, FilesIn(dir_ / "rootfs"));
  for (const std::filesystem::path& file : files) {
    if (!IsLegacy(file) && !used.contains(file)) RETURN_IF_ERROR(Remove(file));
  }
  return absl::OkStatus();
}

absl::StatusOr<ImageIndex::NamesById> ImageIndex::ReadNames() const {
  NamesById names;
  ASSIGN_OR_RETURN(const auto files, FilesIn(dir_ / "names"));
  for (const std::filesystem::path& file : files) {
    const auto name = ImageNameFromFile(file.filename().native());
    if (!name.has_value()) continue;
    std::error_code error;
    const std::filesystem::path target = std::filesystem::read_symlink(file, error);
    if (!error) names[Stem(target, kRecordSuffix)].push_back(*name);
  }
  for (auto& [id, of_one] : names) std::sort(of_one.begin(), of_one.end());
  return names;
}

absl::StatusOr<ImageRecord> ImageIndex::Read(const std::filesystem::path& path,
                                             const std::string& name,
                                             const NamesById& names) const {
  ASSIGN_OR_RETURN(const nlohmann::json record, ReadRecordFile(path));
  ASSIGN_OR_RETURN(ImageRecord image, ImageRecordFromJson(record, path));
  image.rootfs = RootfsPath(image.digest);
  struct stat about {};
  if (stat(image.rootfs.c_str(), &about) != 0) return ErrnoStatus(errno, image.rootfs.native());
  image.disk_bytes = static_cast<uint64_t>(about.st_blocks) * 512;
  const auto found = names.find(DigestHex(image.id));
  if (found != names.end()) image.names = found->second;
  image.name = name.empty() && !image.names.empty() ? image.names.front() : name;
  return image;
}

absl::StatusOr<ImageRecord> ImageIndex::ByName(std::string_view name) const {
  ASSIGN_OR_RETURN(const NamesById names, ReadNames());
  return Read(NamePath(name), std::string(name), names);
}

absl::StatusOr<ImageRecord> ImageIndex::ById(std::string_view id_prefix) const {
  ASSIGN_OR_RETURN(const std::vector<std::string> hexes, RecordHexes());
  std::string found;
  for (const std::string& hex : hexes) {
    if (!std::string_view(hex).starts_with(id_prefix)) continue;
    if (!found.empty()) {
      return WithHint(
          FailedPrecondition("several images have an id that begins with '{}'", id_prefix),
          "give more digits; 'ember image list --format json' shows them all");
    }
    found = hex;
  }
  if (found.empty()) return NotFound("no image has an id that begins with '{}'", id_prefix);
  ASSIGN_OR_RETURN(const NamesById names, ReadNames());
  return Read(RecordPath(found), "", names);
}

absl::StatusOr<std::vector<std::string>> ImageIndex::RecordHexes() const {
  std::vector<std::string> hexes;
  ASSIGN_OR_RETURN(const auto files, FilesIn(dir_ / "records"));
  for (const std::filesystem::path& file : files) {
    std::string hex = Stem(file, kRecordSuffix);
    if (hex.size() == kHexDigits) hexes.push_back(std::move(hex));
  }
  std::sort(hexes.begin(), hexes.end());
  return hexes;
}

absl::StatusOr<std::vector<ImageRecord>> ImageIndex::Records() const {
  ASSIGN_OR_RETURN(const NamesById names, ReadNames());
  ASSIGN_OR_RETURN(const std::vector<std::string> hexes, RecordHexes());
  std::vector<ImageRecord> images;
  for (const std::string& hex : hexes) {
    auto image = Read(RecordPath(hex), "", names);
    // Deleted while we read the folder.
    if (absl::IsNotFound(image.status())) continue;
    if (!image.ok()) return image.status();
    images.push_back(*std::move(image));
  }
  return images;
}

absl::StatusOr<std::vector<ImageRecord>> ImageIndex::List() const {
  ASSIGN_OR_RETURN(const std::vector<ImageRecord> records, Records());
  std::vector<ImageRecord> images;
  for (const ImageRecord& record : records) {
    if (record.names.empty()) images.push_back(record);
    for (const std::string& name : record.names) {
      images.push_back(record);
      images.back().name = name;
    }
  }
  std::sort(images.begin(), images.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  return images;
}

absl::Status ImageIndex::AddRecord(const ImageRecord& image) {
  return WriteRecordFile(RecordPath(DigestHex(image.id)), ImageRecordToJson(image));
}

absl::Status ImageIndex::RemoveRecord(const ImageRecord& image) {
  for (const std::string& name : image.names) RETURN_IF_ERROR(RemoveName(name));
  const std::filesystem::path record = RecordPath(DigestHex(image.id));
  RETURN_IF_ERROR(Remove(record));
  std::filesystem::path kept = record;
  RETURN_IF_ERROR(Remove(kept.replace_extension(kKeptSuffix)));
  return SyncDirectory(record.parent_path());
}

absl::Status ImageIndex::AddName(std::string_view name, const std::string& id) {
  const std::filesystem::path path = NamePath(name);
  if (symlink(LinkTarget(id).c_str(), path.c_str()) != 0) return ErrnoStatus(errno, path.native());
  return SyncDirectory(path.parent_path());
}

absl::Status ImageIndex::MoveName(std::string_view name, const std::string& id) {
  const std::filesystem::path path = NamePath(name);
  ASSIGN_OR_RETURN(const NamesById names, ReadNames());
  for (const auto& [hex, of_one] : names) {
    const bool its_last = of_one.size() == 1 && of_one.front() == name && hex != DigestHex(id);
    if (!its_last) continue;
    std::filesystem::path kept = RecordPath(hex);
    RETURN_IF_ERROR(WriteFileAtomically(kept.replace_extension(kKeptSuffix), "", 0644));
  }
  ASSIGN_OR_RETURN(const std::string uuid, RandomUuid());
  const std::filesystem::path fresh = path.parent_path() / (".new-" + uuid);
  if (symlink(LinkTarget(id).c_str(), fresh.c_str()) != 0) {
    return ErrnoStatus(errno, fresh.native());
  }
  if (rename(fresh.c_str(), path.c_str()) != 0) {
    const int error = errno;
    // The rename's failure is the one to tell.
    Remove(fresh).IgnoreError();
    return ErrnoStatus(error, path.native());
  }
  return SyncDirectory(path.parent_path());
}

absl::Status ImageIndex::RemoveName(std::string_view name) {
  const std::filesystem::path path = NamePath(name);
  RETURN_IF_ERROR(Remove(path));
  return SyncDirectory(path.parent_path());
}

}  // namespace ember::images
