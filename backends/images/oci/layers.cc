#include "backends/images/oci/layers.h"

#include <memory>
#include <utility>

#include "backends/images/archive_source.h"
#include "backends/images/oci/layer_stream.h"
#include "backends/images/oci/whiteout.h"
#include "base/status.h"
#include "base/status_macros.h"

namespace ember::images {
namespace {

// What a layer unpacks to where that can't be told in advance: trees of programs and text come to a
// third or a quarter.
constexpr uint64_t kUsualRatio = 4;

// The entries of one layer after the other.
class LayersSource final : public EntrySource {
 public:
  LayersSource(const BlobStore& store, std::vector<OciLayer> layers)
      : store_(store), layers_(std::move(layers)) {}

  absl::StatusOr<std::optional<Entry>> Next() override {
    while (true) {
      if (entries_ == nullptr) {
        if (opened_ == layers_.size()) return std::nullopt;
        RETURN_IF_ERROR(OpenLayer(layers_[opened_++]));
      }
      ASSIGN_OR_RETURN(std::optional<Entry> entry, entries_->Next());
      if (!entry.has_value()) {
        RETURN_IF_ERROR(CloseLayer(layers_[opened_ - 1]));
        continue;
      }
      const auto marking = TranslateWhiteout(*entry);
      if (!marking.ok()) return Annotate(marking.status(), NameOf(layers_[opened_ - 1]));
      if (*marking == Marking::kNothing) continue;
      entry->layer = static_cast<uint32_t>(opened_);
      return entry;
    }
  }

  absl::StatusOr<std::optional<EntryBlock>> NextBlock() override { return entries_->NextBlock(); }

  uint64_t bytes_read() const override {
    return bytes_closed_ + (stream_ == nullptr ? 0 : stream_->bytes_read());
  }

 private:
  static std::string NameOf(const OciLayer& layer) { return "layer " + ShortDigest(layer.digest); }

  absl::Status OpenLayer(const OciLayer& layer) {
    ASSIGN_OR_RETURN(std::unique_ptr<LayerStream> stream,
                     LayerStream::Open(store_.Path(layer.digest), NameOf(layer)));
    stream_ = stream.get();
    ASSIGN_OR_RETURN(entries_, OpenArchiveStream(std::move(stream), NameOf(layer)));
    return absl::OkStatus();
  }

  absl::Status CloseLayer(const OciLayer& layer) {
    RETURN_IF_ERROR(stream_->Verify(layer.diff_id));
    bytes_closed_ += layer.size_bytes;
    stream_ = nullptr;
    entries_.reset();
    return absl::OkStatus();
  }

  const BlobStore store_;
  const std::vector<OciLayer> layers_;
  size_t opened_ = 0;
  uint64_t bytes_closed_ = 0;
  LayerStream* stream_ = nullptr;  // owned by entries_
  std::unique_ptr<EntrySource> entries_;
};

}  // namespace

RootfsSource LayersRootfs(const BlobStore& store, const OciImage& image) {
  RootfsSource source;
  source.open = [store, layers = image.layers]() -> absl::StatusOr<std::unique_ptr<EntrySource>> {
    return std::make_unique<LayersSource>(store, layers);
  };
  uint64_t unpacked = 0;
  for (const OciLayer& layer : image.layers) {
    source.bytes_to_read += layer.size_bytes;
    source.identity += layer.diff_id + "\n";
    const std::optional<uint64_t> told = UnpackedSize(store.Path(layer.digest));
    unpacked += told.value_or(layer.size_bytes * kUsualRatio);
  }
  source.unpacked_size = unpacked;
  if (source.identity.empty()) source.identity = "no layers";
  return source;
}

}  // namespace ember::images
