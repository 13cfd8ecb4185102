#pragma once

#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "backends/images/decompress.h"
#include "backends/images/file_digest.h"
#include "backends/images/host_architecture.h"
#include "backends/images/oci/layers.h"
#include "backends/images/oci/manifest.h"
#include "backends/images/oci/oci_image.h"
#include "backends/images/rootfs.h"
#include "base/file.h"
#include "tests/backends/images/ext4_tools.h"
#include "tests/backends/images/read_entries.h"
#include "tests/backends/images/tar_file.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace ember::testing {

// Makes images layer by layer in a store of its own, and disks from them.
class ImageShop {
 public:
  using Fill = std::function<void(TarFile&)>;

  ImageShop() : store_(ValueOf(images::BlobStore::Open(dir_ / "store"))) {}

  const images::BlobStore& store() const { return store_; }
  std::filesystem::path operator/(std::string_view name) const { return dir_ / name; }
  std::filesystem::path disk() const { return dir_ / "disk.ext4"; }

  // Adds a layer on top.
  void Layer(const Fill& fill, TarFile::Filter filter = archive_write_add_filter_gzip) {
    const auto plain = dir_ / "layer.tar";
    {
      TarFile tar(plain);
      fill(tar);
    }
    const std::string diff_id = ValueOf(images::DigestFile(plain, {}, {}));
    if (filter == archive_write_add_filter_none) {
      AddBlob(ValueOf(ReadFile(plain)), images::kOciLayerTar, diff_id);
      return;
    }
    const auto packed = dir_ / "layer.packed";
    Pack(plain, packed, filter);
    AddBlob(ValueOf(ReadFile(packed)), images::kOciLayerGzip, diff_id);
  }

  // Adds a layer of these bytes, whatever they are.
  void AddBlob(const std::string& bytes, std::string_view media_type, const std::string& diff_id) {
    const std::string digest = ValueOf(store_.PutBytes(bytes));
    manifest_.layers.push_back({std::string(media_type), digest, bytes.size()});
    diff_ids_.push_back(diff_id);
  }

  // Writes config and manifest; answers the manifest's digest.
  std::string Seal(const std::string& run = "{}", const std::string& architecture = std::string(
                                                      images::ThisArchitecture().debian)) {
    std::string ids;
    for (const std::string& id : diff_ids_) ids += (ids.empty() ? "\"" : ",\"") + id + "\"";
    const std::string config = fmt::format(R"({{"os":"linux","architecture":"{}","config":{},)"
                                           R"("rootfs":{{"type":"layers","diff_ids":[{}]}}}})",
                                           architecture, run, ids);
    manifest_.config = {std::string(images::kOciConfig), ValueOf(store_.PutBytes(config)),
                        config.size()};
    return ValueOf(store_.PutBytes(images::ManifestToJson(manifest_)));
  }

  images::OciImage Image() { return ValueOf(images::ReadOciImage(store_, Seal())); }

  // Makes an OCI layout of the store, with the image as "x"; answers its folder.
  std::filesystem::path WriteLayout() {
    const std::string manifest = Seal();
    const uint64_t size = std::filesystem::file_size(store_.Path(manifest));
    const std::string index =
        images::IndexToJson({std::string(images::kOciManifest), manifest, size}, "x");
    REQUIRE_OK(WriteFileAtomically(dir_ / "store/index.json", index, 0644));
    REQUIRE_OK(
        WriteFileAtomically(dir_ / "store/oci-layout", R"({"imageLayoutVersion":"1.0.0"})", 0644));
    return dir_ / "store";
  }

  absl::StatusOr<uint64_t> WriteDisk(const images::RootfsOptions& options = {}) {
    std::error_code ignored;
    std::filesystem::remove(disk(), ignored);
    return images::WriteRootfs(images::LayersRootfs(store_, Image()), disk(), options, {},
                               Cancellation::After(absl::Minutes(2)));
  }

  // The disk's entries, once e2fsck has found nothing.
  EntryMap DiskEntries() {
    REQUIRE_OK(WriteDisk());
    CHECK(FsckComplaint(disk()) == "");
    return ReadExt4(disk());
  }

 private:
  static void Pack(const std::filesystem::path& from, const std::filesystem::path& to,
                   TarFile::Filter filter) {
    const std::string bytes = ValueOf(ReadFile(from));
    struct archive* writer = archive_write_new();
    archive_write_set_format_raw(writer);
    filter(writer);
    EMBER_CHECK(archive_write_open_filename(writer, to.c_str()) == ARCHIVE_OK);
    struct archive_entry* entry = archive_entry_new();
    archive_entry_set_filetype(entry, AE_IFREG);
    EMBER_CHECK(archive_write_header(writer, entry) == ARCHIVE_OK);
    archive_write_data(writer, bytes.data(), bytes.size());
    archive_entry_free(entry);
    EMBER_CHECK(archive_write_free(writer) == ARCHIVE_OK);
  }

  TempDir dir_;
  images::BlobStore store_;
  images::Manifest manifest_;
  std::vector<std::string> diff_ids_;
};

}  // namespace ember::testing
