#include "tests/bench/images/layer_maker.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "backends/images/directory_source.h"
#include "backends/images/oci/gzip_file.h"
#include "backends/images/oci/manifest.h"
#include "backends/images/oci/tar_writer.h"
#include "backends/images/sha256.h"
#include "base/status_macros.h"

namespace ember::bench {
namespace {

using images::Entry;
using images::EntryType;

constexpr uint64_t kLayers = 4;
constexpr size_t kChanged = 50;  // every so many'th file is replaced above, the next one removed

// One layer on its way to the store.
class LayerFile {
 public:
  static absl::StatusOr<std::unique_ptr<LayerFile>> Create(const std::filesystem::path& path) {
    std::unique_ptr<LayerFile> layer(new LayerFile(path));
    ASSIGN_OR_RETURN(layer->file_, images::GzipFile::Create(path));
    ASSIGN_OR_RETURN(layer->tar_, images::TarWriter::Create([raw = layer.get()](auto bytes) {
                       raw->unpacked_.Add(bytes);
                       return raw->file_->Write(bytes);
                     }));
    return layer;
  }

  images::TarWriter& tar() { return *tar_; }

  absl::Status Finish(const images::BlobStore& store, images::Manifest& manifest,
                      nlohmann::json& diff_ids) {
    RETURN_IF_ERROR(tar_->Finish());
    ASSIGN_OR_RETURN(const images::GzipFile::Written written, file_->Finish());
    RETURN_IF_ERROR(store.Put(path_, written.digest, {}));
    manifest.layers.push_back(
        {std::string(images::kOciLayerGzip), written.digest, written.size_bytes});
    diff_ids.push_back(unpacked_.Finish());
    return absl::OkStatus();
  }

 private:
  explicit LayerFile(std::filesystem::path path) : path_(std::move(path)) {}

  std::filesystem::path path_;
  images::Sha256 unpacked_;
  std::unique_ptr<images::GzipFile> file_;
  std::unique_ptr<images::TarWriter> tar_;
};

// A folder of the host and how much of it has been taken.
struct Folder {
  std::string name;  // within the image
  std::unique_ptr<images::EntrySource> source;
  uint64_t bytes = 0;
};

// Programs, libraries, and small files of text: about as many to the megabyte as images have.
absl::StatusOr<std::vector<Folder>> OpenFolders() {
  std::vector<Folder> folders;
  for (const char* name : {"usr/bin", "usr/lib/x86_64-linux-gnu", "usr/lib/python3", "usr/share"}) {
    std::error_code ignored;
    const std::filesystem::path path = std::filesystem::path("/") / name;
    if (!std::filesystem::is_directory(path, ignored)) continue;
    ASSIGN_OR_RETURN(auto source, images::OpenDirectorySource(path));
    folders.push_back({name, std::move(source)});
  }
  return folders;
}

// The next entry of the folder of which the least has been taken, as that of the image; nothing
// when all folders are at their ends.
absl::StatusOr<std::optional<Entry>> NextOf(std::vector<Folder>& folders, Folder*& from) {
  while (!folders.empty()) {
    const auto least =
        std::min_element(folders.begin(), folders.end(),
                         [](const Folder& a, const Folder& b) { return a.bytes < b.bytes; });
    ASSIGN_OR_RETURN(std::optional<Entry> entry, least->source->Next());
    if (!entry.has_value()) {
      folders.erase(least);
      continue;
    }
    const std::string prefix = least->name + "/";
    entry->path = entry->path.empty() ? least->name : prefix + entry->path;
    if (entry->type == EntryType::kHardLink) entry->target.insert(0, prefix);
    // An empty one has its turn, too.
    least->bytes += entry->size_bytes + 512;
    from = &*least;
    return entry;
  }
  return std::nullopt;
}

absl::Status CopyFile(images::EntrySource& source, uint64_t size, images::TarWriter& tar) {
  uint64_t at = 0;
  while (true) {
    ASSIGN_OR_RETURN(const auto block, source.NextBlock());
    const uint64_t next = block.has_value() ? block->offset : size;
    RETURN_IF_ERROR(tar.Write(std::string(next - at, '\0')));
    if (!block.has_value()) return absl::OkStatus();
    RETURN_IF_ERROR(tar.Write(block->bytes));
    at = next + block->bytes.size();
  }
}

}  // namespace

absl::StatusOr<images::OciImage> MakeImage(const images::BlobStore& store,
                                           const std::filesystem::path& scratch, uint64_t bytes) {
  images::Manifest manifest;
  nlohmann::json diff_ids = nlohmann::json::array();
  const auto path = scratch / "layer";
  ASSIGN_OR_RETURN(std::vector<Folder> folders, OpenFolders());
  ASSIGN_OR_RETURN(std::unique_ptr<LayerFile> layer, LayerFile::Create(path));
  std::vector<std::string> files;
  uint64_t written = 0;
  while (written < bytes) {
    Folder* from = nullptr;
    ASSIGN_OR_RETURN(const std::optional<Entry> entry, NextOf(folders, from));
    if (!entry.has_value()) break;
    RETURN_IF_ERROR(layer->tar().Add(*entry));
    if (entry->type != EntryType::kFile) continue;
    RETURN_IF_ERROR(CopyFile(*from->source, entry->size_bytes, layer->tar()));
    files.push_back(entry->path);
    written += entry->size_bytes;
    if (written < (manifest.layers.size() + 1) * bytes / kLayers) continue;
    RETURN_IF_ERROR(layer->Finish(store, manifest, diff_ids));
    ASSIGN_OR_RETURN(layer, LayerFile::Create(path));
  }
  for (size_t i = 0; i + 1 < files.size(); i += kChanged) {
    RETURN_IF_ERROR(layer->tar().AddFile(files[i], "replaced\n"));
    const std::filesystem::path gone = files[i + 1];
    RETURN_IF_ERROR(layer->tar().AddFile(
        (gone.parent_path() / (".wh." + gone.filename().native())).native(), ""));
  }
  RETURN_IF_ERROR(layer->Finish(store, manifest, diff_ids));
  const std::string config =
      nlohmann::json{{"os", "linux"},
                     {"config", nlohmann::json::object()},
                     {"rootfs", {{"type", "layers"}, {"diff_ids", diff_ids}}}}
          .dump();
  manifest.config = {std::string(images::kOciConfig), "", config.size()};
  ASSIGN_OR_RETURN(manifest.config.digest, store.PutBytes(config));
  ASSIGN_OR_RETURN(const std::string digest, store.PutBytes(images::ManifestToJson(manifest)));
  return images::ReadOciImage(store, digest);
}

}  // namespace ember::bench
