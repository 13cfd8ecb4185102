#include "daemon/catalog.h"

#include <utility>

namespace ember::daemon {

Catalog::Catalog(images::ImageStore& images, images::KernelStore& kernels, Log log)
    : images_(images), kernels_(kernels), log_(std::move(log)), sequence_("catalog") {}

Catalog::~Catalog() { Shutdown(); }

void Catalog::Shutdown() {
  // The workers post their leave to the sequence: they must be gone before it is.
  sequence_.Post([this] { workers_.clear(); });
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
             reply(images_.Import(name, path, size_bytes, sink, cancellation));
           });
}

void Catalog::BuildImage(std::string name, images::BuildRecipe recipe, images::ProgressSink sink,
                         Cancellation cancellation, Reply<images::ImageRecord> reply) {
  RunApart("image-build",
           [this, name = std::move(name), recipe = std::move(recipe), sink = std::move(sink),
            cancellation, reply = std::move(reply)]() mutable {
             reply(images_.Build(name, recipe, sink, cancellation));
           });
}

void Catalog::AddKernel(images::KernelSource source, images::ProgressSink sink,
                        Cancellation cancellation, Reply<images::KernelRecord> reply) {
  RunApart("kernel-add", [this, source = std::move(source), sink = std::move(sink), cancellation,
                          reply = std::move(reply)]() mutable {
    reply(kernels_.Add(source, sink, cancellation));
  });
}

void Catalog::DeleteImage(std::string name, Reply<Done> reply) {
  sequence_.Post([this, name = std::move(name), reply = std::move(reply)]() mutable {
    const absl::Status deleted = images_.Delete(name);
    if (!deleted.ok()) return reply(deleted);
    reply(Done{});
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
    const uint64_t id = next_worker_++;
    Sequence& worker =
        *workers_.emplace(id, std::make_unique<Sequence>(std::move(thread_name))).first->second;
    worker.Post([this, id, work = std::move(work)]() mutable {
      std::move(work)();
      sequence_.Post([this, id] { workers_.erase(id); });
    });
  });
}

}  // namespace ember::daemon
