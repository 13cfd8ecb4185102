#include "backends/images/oci/registry_pull.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <functional>
#include <set>
#include <utility>

#include "backends/images/disk_room.h"
#include "backends/images/file_digest.h"
#include "backends/images/host_architecture.h"
#include "backends/images/oci/blob_watch.h"
#include "backends/images/oci/manifest.h"
#include "backends/images/oci/skopeo.h"
#include "base/fault_point.h"
#include "base/file.h"
#include "base/size.h"
#include "base/status.h"
#include "base/status_macros.h"

namespace ember::images {
namespace {

constexpr int kMaxIndexDepth = 4;
// What a question to a registry may take beyond the stall: skopeo itself waits when it is told to.
constexpr absl::Duration kAnswerTime = absl::Seconds(30);
// Manifests, the config, the filesystem's own needs.
constexpr uint64_t kSpareBytes = 16 * kMiB;

class Pull {
 public:
  Pull(const FetchRequest& request, Skopeo skopeo, const BlobStore& store, const ProgressSink& sink,
       const Cancellation& cancellation)
      : request_(request),
        reference_(*request.reference),
        name_(reference_.Familiar()),
        skopeo_(std::move(skopeo)),
        store_(store),
        sink_(sink),
        cancellation_(cancellation) {}

  absl::StatusOr<OciImage> Run() {
    Report(sink_, {"resolving", name_});
    RETURN_IF_ERROR(FindManifest());
    ASSIGN_OR_RETURN(const Manifest manifest, ParseManifest(manifest_, What()));
    const std::vector<Descriptor> missing = Missing(manifest);
    if (!missing.empty()) RETURN_IF_ERROR(FetchBlobs(missing));
    if (!store_.Has(manifest.config.digest)) RETURN_IF_ERROR(FetchConfig(manifest.config.digest));
    CrashPoint("image-pull/fetched");
    RETURN_IF_ERROR(FaultPoint("image-pull/store-manifest"));
    // Last: a manifest in the store means that all it names had been there.
    ASSIGN_OR_RETURN(const std::string digest, store_.PutBytes(manifest_));
    auto image = ReadOciImage(store_, digest);
    return image.ok() ? image : Annotate(image.status(), What());
  }

 private:
  std::string What() const { return fmt::format("image '{}'", name_); }

  // The manifest for this architecture, into manifest_; its digest into reference_.
  absl::Status FindManifest() {
    for (int depth = 0; depth < kMaxIndexDepth; ++depth) {
      RETURN_IF_ERROR(Patiently([this] { return FetchManifest(); }));
      const std::string digest = DigestBytes(manifest_);
      if (!reference_.digest.empty() && reference_.digest != digest) {
        return DataLoss("{}: the registry sent a manifest with the digest {} for {}", What(),
                        digest, reference_.digest);
      }
      reference_.digest = digest;
      ASSIGN_OR_RETURN(const MediaKind kind, KindOfDocument(manifest_, What()));
      if (kind == MediaKind::kManifest) return absl::OkStatus();
      ASSIGN_OR_RETURN(const std::vector<IndexItem> items, ParseIndex(manifest_, What()));
      ASSIGN_OR_RETURN(const IndexItem item, PickItem(items, ThisArchitecture().debian, What()));
      reference_.digest = item.manifest.digest;
    }
    return InvalidArgument("{} leads through more than {} indexes", What(), kMaxIndexDepth);
  }

  Cancellation Limited() const {
    return cancellation_.Within(request_.patience.stall + kAnswerTime);
  }

  absl::Status FetchManifest() {
    auto manifest = skopeo_.Manifest(reference_, Limited());
    if (!manifest.ok()) return OwnWords(manifest.status());
    manifest_ = *std::move(manifest);
    return absl::OkStatus();
  }

  // A time-out that is not the caller's is the registry's fault.
  absl::Status OwnWords(const absl::Status& status) const {
    if (!absl::IsDeadlineExceeded(status) || cancellation_.done()) return status;
    return WithHint(
        DeadlineExceeded("{}: the registry {} sends nothing", What(), reference_.registry),
        "try again; layers that have arrived are not fetched again");
  }

  // The layers to fetch; tells about those that are there already.
  std::vector<Descriptor> Missing(const Manifest& manifest) {
    std::vector<Descriptor> missing;
    std::set<std::string> seen;
    for (const Descriptor& blob : manifest.layers) {
      if (!seen.insert(blob.digest).second) continue;
      if (!store_.Has(blob.digest)) {
        missing.push_back(blob);
        continue;
      }
      Report(sink_, {"downloading", "already there", blob.size_bytes, blob.size_bytes,
                     ShortDigest(blob.digest)});
      present_.push_back(blob.digest);
    }
    return missing;
  }

  absl::Status FetchConfig(const std::string& digest) {
    std::string config;
    RETURN_IF_ERROR(Patiently([&]() -> absl::Status {
      auto answer = skopeo_.Config(reference_, Limited());
      if (!answer.ok()) return OwnWords(answer.status());
      config = *std::move(answer);
      return absl::OkStatus();
    }));
    if (const std::string actual = DigestBytes(config); actual != digest) {
      return DataLoss("{}: the registry sent a config with the digest {} for {}", What(), actual,
                      digest);
    }
    return store_.PutBytes(config).status();
  }

  absl::Status FetchBlobs(const std::vector<Descriptor>& missing) {
    uint64_t bytes = kSpareBytes;
    for (const Descriptor& blob : missing) bytes += std::min<uint64_t>(blob.size_bytes, kGiB << 10);
    RETURN_IF_ERROR(CheckDiskRoom(request_.scratch, bytes, "pulling " + What()));
    RETURN_IF_ERROR(RemoveTree(Blobs()));
    RETURN_IF_ERROR(MakeDirectories(Blobs() / "sha256", 0755));
    RETURN_IF_ERROR(ShowPresent());
    BlobWatch watch(store_, {Blobs(), Layout(), request_.scratch}, missing, request_.patience.stall,
                    sink_, cancellation_);
    RETURN_IF_ERROR(Patiently([this, &watch] { return CopyOnce(watch); },
                              [&watch] { return watch.missing(); }));
    if (watch.missing() == 0) return absl::OkStatus();
    return DataLoss("{}: the registry left out {} of its layers", What(), watch.missing());
  }

  // skopeo does not fetch what it finds.
  absl::Status ShowPresent() const {
    for (const std::string& digest : present_) {
      const std::filesystem::path from = store_.Path(digest);
      const std::filesystem::path to = Blobs() / "sha256" / from.filename();
      if (link(from.c_str(), to.c_str()) != 0) return ErrnoStatus(errno, to.native());
    }
    return absl::OkStatus();
  }

  absl::Status CopyOnce(BlobWatch& watch) {
    RETURN_IF_ERROR(RemoveTree(Layout()));
    watch.Restart();
    const absl::Status copied = skopeo_.Copy(
        reference_, Blobs(), Layout(), [&watch] { return watch.Look(); }, cancellation_);
    // What is complete is kept, however it ended.
    const absl::Status taken = watch.TakeIn();
    return copied.ok() ? taken : OwnWords(copied);
  }

  // Does something again and again, with longer and longer pauses, while it is worth it. `left`
  // counts what is still to come: as long as that gets less, nothing is given up.
  absl::Status Patiently(
      const std::function<absl::Status()>& act,
      const std::function<size_t()>& left = [] { return size_t{0}; }) {
    absl::Duration pause = request_.patience.first_pause;
    size_t before = left();
    for (int attempt = 1;; ++attempt) {
      absl::Status status = act();
      const bool again = IsWorthAnotherTry(status) ||
                         (absl::IsDeadlineExceeded(status) && !cancellation_.done()) ||
                         absl::IsDataLoss(status);
      if (status.ok() || !again) return status;
      if (const size_t now = left(); now < before) {
        before = now;
        attempt = 1;
        pause = request_.patience.first_pause;
      }
      if (attempt >= request_.patience.attempts) return status;
      Report(sink_, {"waiting", std::string(Message(status))});
      RETURN_IF_ERROR(cancellation_.Pause(pause, "pulling " + What()));
      pause *= 2;
    }
  }

  std::filesystem::path Blobs() const { return request_.scratch / "blobs"; }
  std::filesystem::path Layout() const { return request_.scratch / "layout"; }

  const FetchRequest& request_;
  ImageReference reference_;  // becomes more exact on the way
  const std::string name_;
  const Skopeo skopeo_;
  const BlobStore& store_;
  const ProgressSink& sink_;
  const Cancellation cancellation_;
  std::string manifest_;
  std::vector<std::string> present_;  // digests
};

}  // namespace

absl::StatusOr<OciImage> PullImage(const FetchRequest& request, const BlobStore& store,
                                   const ProgressSink& sink, const Cancellation& cancellation) {
  ASSIGN_OR_RETURN(Skopeo skopeo,
                   Skopeo::Find({request.auth_file, request.plain_http, request.scratch}));
  return Pull(request, std::move(skopeo), store, sink, cancellation).Run();
}

}  // namespace ember::images
