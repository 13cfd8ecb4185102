#include "daemon/catalog.h"

#include <utility>

#include "backends/images/image_import.h"

namespace ember::daemon {

Catalog::Catalog(images::ImageStore& images, images::KernelStore& kernels, Log log)
    : images_(images),
      kernels_(kernels),
      log_(std::move(log)),
      pulls_(sequence_,
             [this](Sequence::Task work) { StartWorker("image-pull", std::move(work)); }),
      sequence_("catalog") {}

Catalog::~Catalog() { Shutdown(); }

void Catalog::Shutdown() {
  // The workers post their leave to the sequence: they must be gone before it is.
  sequence_.Post([this] {
    pulls_.CancelAll();
    workers_.clear();
  });
  sequence_.Shutdown();
  // What came between the two. Its leave is refused by now.
  workers_.clear();
}

absl::StatusOr<images::ImageRecord> Catalog::GetImage(const std::string& name) const {
  return images_.Get(name);
}

absl::StatusOr<std::vector<images::ImageRecord>> Catalog::ListImages() const {
  return images_.List();
}

absl::StatusOr<images::KernelRecord> Catalog::GetKernel(const std::string& name) const {
  return name.empty() ? kernels_.Default() : kernels_.Get(name);
}

absl::StatusOr<std::vector<images::KernelRecord>> Catalog::ListKernels() const {
  return kernels_.List();
}

void Catalog::ImportImage(std::string name, std::filesystem::path path, uint64_t size_bytes,
                          images::ProgressSink sink, Cancellation cancellation,
                          Reply<images::ImageRecord> reply) {
  RunApart("image-import",
           [this, name = std::move(name), path = std::move(path), size_bytes,
            sink = std::move(sink), cancellation, reply = std::move(reply)]() mutable {
             reply(images::ImportImage(images_, name, path, size_bytes, sink, cancellation));
           });
}

void Catalog::BuildImage(std::string name, images::BuildRecipe recipe, images::ProgressSink sink,
                         Cancellation cancellation, Reply<images::ImageRecord> reply) {
  RunApart("image-build",
           [this, name = std::move(name), recipe = std::move(recipe), sink = std::move(sink),
            cancellation, reply = std::move(reply)]() mutable {
             reply(images::BuildImage(images_, name, recipe, sink, cancellation));
           });
}

void Catalog::AddKernel(images::KernelSource source, images::ProgressSink sink,
                        Cancellation cancellation, Reply<images::KernelRecord> reply) {
  RunApart("kernel-add", [this, source = std::move(source), sink = std::move(sink), cancellation,
                          reply = std::move(reply)]() mutable {
    reply(kernels_.Add(source, sink, cancellation));
  });
}

void Catalog::PullImage(images::PullRequest request, images::ProgressSink sink,
                        Cancellation cancellation, Reply<images::ImageRecord> reply) {
  SharedWork::Guest guest{std::move(sink), std::move(cancellation), std::move(reply)};
  sequence_.Post([this, request = std::move(request), guest = std::move(guest)]() mutable {
    const std::string key = request.Key();
    pulls_.Join(
        key,
        [this, request = std::move(request)](const images::ProgressSink& sink,
                                             const Cancellation& cancellation) {
          return images::PullImage(images_, request, sink, cancellation);
        },
        std::move(guest));
  });
}

void Catalog::LoadImage(images::LoadRequest request, images::ProgressSink sink,
                        Cancellation cancellation, Reply<images::ImageRecord> reply) {
  RunApart("image-load", [this, request = std::move(request), sink = std::move(sink), cancellation,
                          reply = std::move(reply)]() mutable {
    reply(images::LoadImage(images_, request, sink, cancellation));
  });
}

void Catalog::SaveImage(images::SaveRequest request, images::ProgressSink sink,
                        Cancellation cancellation, Reply<images::SavedImage> reply) {
  RunApart("image-save", [this, request = std::move(request), sink = std::move(sink), cancellation,
                          reply = std::move(reply)]() mutable {
    reply(images::SaveImage(images_, request, sink, cancellation));
  });
}

void Catalog::TagImage(std::string name, std::string new_name, images::NameMode mode,
                       Reply<images::ImageRecord> reply) {
  sequence_.Post(
      [this, name = std::move(name), new_name = std::move(new_name), mode,
       reply = std::move(reply)]() mutable { reply(images_.Tag(name, new_name, mode)); });
}

void Catalog::PruneImages(std::set<std::string> ids, bool dry_run, Reply<images::Pruned> reply) {
  sequence_.Post([this, ids = std::move(ids), dry_run, reply = std::move(reply)]() mutable {
    reply(images_.Prune(ids, dry_run));
  });
}

void Catalog::DeleteImage(std::string name, Reply<Done> reply) {
  sequence_.Post([this, name = std::move(name), reply = std::move(reply)]() mutable {
    const absl::Status deleted = images_.Delete(name);
    if (!deleted.ok()) return reply(deleted);
    reply(Done{});
  });
}

void Catalog::SetDefaultKernel(std::string name, Reply<images::KernelRecord> reply) {
  sequence_.Post([this, name = std::move(name), reply = std::move(reply)]() mutable {
    reply(kernels_.SetDefault(name));
  });
}

void Catalog::DeleteKernel(std::string name, Reply<Done> reply) {
  sequence_.Post([this, name = std::move(name), reply = std::move(reply)]() mutable {
    const absl::Status deleted = kernels_.Delete(name);
    if (!deleted.ok()) return reply(deleted);
    reply(Done{});
  });
}

void Catalog::RunApart(std::string thread_name, Sequence::Task work) {
  sequence_.Post([this, thread_name = std::move(thread_name), work = std::move(work)]() mutable {
    StartWorker(std::move(thread_name), std::move(work));
  });
}

void Catalog::StartWorker(std::string thread_name, Sequence::Task work) {
  const uint64_t id = next_worker_++;
  Sequence& worker =
      *workers_.emplace(id, std::make_unique<Sequence>(std::move(thread_name))).first->second;
  worker.Post([this, id, work = std::move(work)]() mutable {
    std::move(work)();
    sequence_.Post([this, id] { workers_.erase(id); });
  });
}

}  // namespace ember::daemon
