#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <set>

#include "backends/images/oci/docker_manifest.h"
#include "backends/images/oci/layer_stream.h"
#include "backends/images/oci/manifest.h"
#include "backends/images/oci/tar_writer.h"
#include "backends/images/oci/transfer.h"
#include "base/file.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"

namespace ember::images {
namespace {

constexpr size_t kBuffer = size_t{1} << 18;
constexpr char kLayout[] = R"({"imageLayoutVersion":"1.0.0"})";

std::string HexOf(const std::string& digest) { return digest.substr(digest.find(':') + 1); }

// A file that gets its name when it is complete.
class NewFile {
 public:
  static absl::StatusOr<NewFile> Create(const std::filesystem::path& target) {
    std::error_code ignored;
    if (std::filesystem::exists(target, ignored)) return Taken(target);
    std::string partial = target.native() + ".XXXXXX";
    UniqueFd fd(mkostemp(partial.data(), O_CLOEXEC));
    if (!fd.valid()) return ErrnoStatus(errno, target.native());
    return NewFile(target, std::move(partial), std::move(fd));
  }
  NewFile(NewFile&& other) noexcept
      : target_(other.target_),
        partial_(std::exchange(other.partial_, {})),
        fd_(std::move(other.fd_)) {}
  NewFile& operator=(NewFile&&) = delete;
  ~NewFile() {
    if (!partial_.empty()) unlink(partial_.c_str());
  }

  absl::Status Write(std::string_view bytes) const {
    while (!bytes.empty()) {
      const ssize_t written = write(fd_.get(), bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return ErrnoStatus(errno, target_.native());
      bytes.remove_prefix(static_cast<size_t>(written));
    }
    return absl::OkStatus();
  }

  absl::Status Commit() {
    if (fchmod(fd_.get(), 0644) != 0 || fsync(fd_.get()) != 0) {
      return ErrnoStatus(errno, target_.native());
    }
    // link(2) replaces nothing.
    if (link(partial_.c_str(), target_.c_str()) != 0) {
      return errno == EEXIST ? Taken(target_) : ErrnoStatus(errno, target_.native());
    }
    return absl::OkStatus();
  }

 private:
  NewFile(std::filesystem::path target, std::string partial, UniqueFd fd)
      : target_(std::move(target)), partial_(std::move(partial)), fd_(std::move(fd)) {}

  static absl::Status Taken(const std::filesystem::path& target) {
    return WithHint(AlreadyExists("{} exists", target.native()),
                    "choose another name, or remove the file first");
  }

  const std::filesystem::path target_;
  std::string partial_;
  UniqueFd fd_;
};

class ArchiveSave {
 public:
  ArchiveSave(const BlobStore& store, const OciImage& image, TarWriter& tar,
              const ProgressSink& sink, const Cancellation& cancellation)
      : store_(store), image_(image), tar_(tar), sink_(sink), cancellation_(cancellation) {}

  absl::Status Oci(const ImageReference& reference) {
    ASSIGN_OR_RETURN(const std::string manifest,
                     store_.Read(image_.manifest_digest, kMaxManifestBytes));
    const Descriptor about{std::string(kOciManifest), image_.manifest_digest, manifest.size()};
    RETURN_IF_ERROR(tar_.AddFile("oci-layout", kLayout));
    RETURN_IF_ERROR(tar_.AddFile("index.json", IndexToJson(about, reference.Full())));
    RETURN_IF_ERROR(AddBlob(image_.manifest_digest));
    RETURN_IF_ERROR(AddBlob(image_.config_digest));
    for (const OciLayer& layer : image_.layers) RETURN_IF_ERROR(AddBlob(layer.digest));
    return tar_.Finish();
  }

  absl::Status Docker(const ImageReference& reference) {
    ASSIGN_OR_RETURN(const std::string config, store_.Read(image_.config_digest, kMaxConfigBytes));
    DockerArchiveItem item;
    item.config = HexOf(image_.config_digest) + ".json";
    // An archive names its images by tags only.
    ImageReference tagged = reference;
    tagged.digest.clear();
    if (tagged.tag.empty()) tagged.tag = "latest";
    item.names = {tagged.Full()};
    for (const OciLayer& layer : image_.layers) {
      item.layers.push_back(HexOf(layer.diff_id) + "/layer.tar");
    }
    RETURN_IF_ERROR(tar_.AddFile(item.config, config));
    for (const OciLayer& layer : image_.layers) RETURN_IF_ERROR(AddUnpacked(layer));
    RETURN_IF_ERROR(tar_.AddFile("manifest.json", DockerManifestToJson(item)));
    return tar_.Finish();
  }

 private:
  absl::Status AddBlob(const std::string& digest) {
    if (!written_.insert(digest).second) return absl::OkStatus();
    const std::filesystem::path path = store_.Path(digest);
    UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd.valid()) return ErrnoStatus(errno, path.native());
    std::error_code error;
    Entry entry;
    entry.path = "blobs/sha256/" + HexOf(digest);
    entry.size_bytes = std::filesystem::file_size(path, error);
    if (error) return ErrnoStatus(error.value(), path.native());
    Report(sink_, {"saving", "blob", 0, entry.size_bytes, ShortDigest(digest)});
    RETURN_IF_ERROR(tar_.Add(entry));
    std::string buffer(kBuffer, '\0');
    while (true) {
      RETURN_IF_ERROR(cancellation_.Check("saving the image"));
      const ssize_t got = read(fd.get(), buffer.data(), buffer.size());
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return ErrnoStatus(errno, path.native());
      if (got == 0) break;
      RETURN_IF_ERROR(tar_.Write(std::string_view(buffer).substr(0, static_cast<size_t>(got))));
    }
    Report(sink_, {"saving", "blob", entry.size_bytes, entry.size_bytes, ShortDigest(digest)});
    return absl::OkStatus();
  }

  // What a layer unpacks to must be known before it is written: so it is unpacked twice, and the
  // first time verified.
  absl::Status AddUnpacked(const OciLayer& layer) {
    if (!written_.insert(layer.diff_id).second) return absl::OkStatus();
    Entry entry;
    entry.path = HexOf(layer.diff_id) + "/layer.tar";
    Report(sink_, {"saving", "layer", 0, layer.size_bytes, ShortDigest(layer.digest)});
    RETURN_IF_ERROR(EachPiece(layer, [&entry](std::string_view piece) {
      entry.size_bytes += piece.size();
      return absl::OkStatus();
    }));
    RETURN_IF_ERROR(tar_.Add(entry));
    RETURN_IF_ERROR(EachPiece(layer, [this](std::string_view piece) { return tar_.Write(piece); }));
    Report(sink_,
           {"saving", "layer", layer.size_bytes, layer.size_bytes, ShortDigest(layer.digest)});
    return absl::OkStatus();
  }

  absl::Status EachPiece(const OciLayer& layer,
                         const std::function<absl::Status(std::string_view)>& act) {
    ASSIGN_OR_RETURN(
        const std::unique_ptr<LayerStream> stream,
        LayerStream::Open(store_.Path(layer.digest), "layer " + ShortDigest(layer.digest)));
    while (true) {
      RETURN_IF_ERROR(cancellation_.Check("saving the image"));
      ASSIGN_OR_RETURN(const std::string_view piece, stream->Next());
      if (piece.empty()) return stream->Verify(layer.diff_id);
      RETURN_IF_ERROR(act(piece));
    }
  }

  const BlobStore& store_;
  const OciImage& image_;
  TarWriter& tar_;
  const ProgressSink& sink_;
  const Cancellation& cancellation_;
  std::set<std::string> written_;
};

}  // namespace

absl::Status WriteImageArchive(const BlobStore& store, const OciImage& image,
                               const ImageReference& reference, ArchiveFormat format,
                               const std::filesystem::path& target, const ProgressSink& sink,
                               const Cancellation& cancellation) {
  ASSIGN_OR_RETURN(NewFile file, NewFile::Create(target));
  ASSIGN_OR_RETURN(const std::unique_ptr<TarWriter> tar,
                   TarWriter::Create([&file](auto bytes) { return file.Write(bytes); }));
  ArchiveSave save(store, image, *tar, sink, cancellation);
  RETURN_IF_ERROR(format == ArchiveFormat::kOci ? save.Oci(reference) : save.Docker(reference));
  return file.Commit();
}

}  // namespace ember::images
