#include "backends/images/oci/blob_watch.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "base/fault_point.h"
#include "base/status.h"
#include "base/status_macros.h"

namespace ember::images {
namespace {

constexpr absl::Duration kInterval = absl::Milliseconds(200);

std::string HexOf(const std::string& digest) { return digest.substr(digest.find(':') + 1); }

}  // namespace

BlobWatch::BlobWatch(const BlobStore& store, Folders folders, std::vector<Descriptor> wanted,
                     absl::Duration stall, const ProgressSink& sink,
                     const Cancellation& cancellation)
    : store_(store),
      folders_(std::move(folders)),
      wanted_(std::move(wanted)),
      stall_(stall),
      sink_(sink),
      cancellation_(cancellation) {
  for (const Descriptor& blob : wanted_) total_ += blob.size_bytes;
  Restart();
}

void BlobWatch::Restart() {
  next_look_ = Deadline::After(absl::ZeroDuration());
  patience_ = Deadline::After(stall_);
}

absl::Status BlobWatch::Look() {
  if (!next_look_.expired()) return absl::OkStatus();
  next_look_ = Deadline::After(kInterval);
  RETURN_IF_ERROR(TakeIn());
  const uint64_t under_way = BytesUnderWay();
  if (taken_ + under_way != seen_) {
    seen_ = taken_ + under_way;
    patience_ = Deadline::After(stall_);
    Tell(under_way);
  }
  if (!patience_.expired()) return absl::OkStatus();
  return DeadlineExceeded("the registry has sent nothing for {}", absl::FormatDuration(stall_));
}

absl::Status BlobWatch::TakeIn() {
  for (size_t i = 0; i < wanted_.size();) {
    std::error_code ignored;
    const Descriptor blob = wanted_[i];
    if (!std::filesystem::exists(folders_.blobs / "sha256" / HexOf(blob.digest), ignored)) {
      ++i;
      continue;
    }
    RETURN_IF_ERROR(Adopt(blob));
    CrashPoint("image-pull/layer-adopted");
    wanted_.erase(wanted_.begin() + static_cast<std::ptrdiff_t>(i));
    taken_ += blob.size_bytes;
    Report(sink_,
           {"downloading", "complete", blob.size_bytes, blob.size_bytes, ShortDigest(blob.digest)});
  }
  return absl::OkStatus();
}

// Under a second name: skopeo looks at the first one again when it is started again.
absl::Status BlobWatch::Adopt(const Descriptor& blob) {
  const std::filesystem::path arrived = folders_.blobs / "sha256" / HexOf(blob.digest);
  const std::filesystem::path second = folders_.scratch / ("adopted-" + HexOf(blob.digest));
  if (link(arrived.c_str(), second.c_str()) != 0 && errno != EEXIST) {
    return ErrnoStatus(errno, second.native());
  }
  absl::Status status = FaultPoint("image-pull/adopt-layer");
  if (status.ok()) status = store_.Put(second, blob.digest, cancellation_);
  if (!status.ok()) {
    // Were it left, skopeo would take it for the blob.
    unlink(second.c_str());
    unlink(arrived.c_str());
  }
  return status;
}

uint64_t BlobWatch::BytesUnderWay() const {
  uint64_t bytes = 0;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folders_.layout, error)) {
    std::error_code gone;
    if (entry.is_regular_file(gone)) {
      const uint64_t size = entry.file_size(gone);
      if (!gone) bytes += size;
    }
  }
  return bytes;
}

// Files that grow do not say which blob they are: only the last one can be told.
void BlobWatch::Tell(uint64_t under_way) {
  Report(sink_, {"downloading", "layers", std::min(taken_ + under_way, total_), total_});
  if (wanted_.size() != 1) return;
  const Descriptor& last = wanted_.front();
  Report(sink_, {"downloading", "layer", std::min(under_way, last.size_bytes), last.size_bytes,
                 ShortDigest(last.digest)});
}

}  // namespace ember::images
