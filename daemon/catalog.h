#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "backends/images/build_recipe.h"
#include "backends/images/image_store.h"
#include "backends/images/image_transfer.h"
#include "backends/images/kernel_store.h"
#include "base/cancellation.h"
#include "base/log.h"
#include "base/reply.h"
#include "base/sequence.h"
#include "daemon/shared_work.h"

namespace ember::daemon {

// The images and kernels of this state directory. What takes long (an import, a build, a download)
// runs on a thread of its own, any number at a time; pulls of one image at the same time are one.
// Deleting goes through one sequence. Who may
// delete what is decided by the host, which knows the VMs. Thread-safe.
class Catalog {
 public:
  // `images` and `kernels` are borrowed and thread-safe themselves.
  Catalog(images::ImageStore& images, images::KernelStore& kernels, Log log);
  // Shutdown().
  ~Catalog();

  // Waits for the work under way (cancel it first) and refuses any more. Idempotent.
  void Shutdown();

  // Read small files; quick enough for `host`.
  absl::StatusOr<images::ImageRecord> GetImage(const std::string& name) const;
  absl::StatusOr<std::vector<images::ImageRecord>> ListImages() const;
  // An empty name is the default kernel.
  absl::StatusOr<images::KernelRecord> GetKernel(const std::string& name) const;
  absl::StatusOr<std::vector<images::KernelRecord>> ListKernels() const;

  // The sink is called on the worker's thread.
  void ImportImage(std::string name, std::filesystem::path path, uint64_t size_bytes,
                   images::ProgressSink sink, Cancellation cancellation,
                   Reply<images::ImageRecord> reply);
  void BuildImage(std::string name, images::BuildRecipe recipe, images::ProgressSink sink,
                  Cancellation cancellation, Reply<images::ImageRecord> reply);
  void AddKernel(images::KernelSource source, images::ProgressSink sink, Cancellation cancellation,
                 Reply<images::KernelRecord> reply);
  void PullImage(images::PullRequest request, images::ProgressSink sink, Cancellation cancellation,
                 Reply<images::ImageRecord> reply);
  void LoadImage(images::LoadRequest request, images::ProgressSink sink, Cancellation cancellation,
                 Reply<images::ImageRecord> reply);
  void SaveImage(images::SaveRequest request, images::ProgressSink sink, Cancellation cancellation,
                 Reply<images::SavedImage> reply);
  void TagImage(std::string name, std::string new_name, images::NameMode mode,
                Reply<images::ImageRecord> reply);
  // The images with these ids, and blobs that no image refers to.
  void PruneImages(std::set<std::string> ids, bool dry_run, Reply<images::Pruned> reply);
  void DeleteImage(std::string name, Reply<Done> reply);
  void SetDefaultKernel(std::string name, Reply<images::KernelRecord> reply);
  void DeleteKernel(std::string name, Reply<Done> reply);

  // Runs any other blocking work (doctor's probes) on a thread of its own.
  void RunApart(std::string thread_name, Sequence::Task work);

 private:
  void StartWorker(std::string thread_name, Sequence::Task work);

  images::ImageStore& images_;
  images::KernelStore& kernels_;
  const Log log_;
  // Touched on sequence_ only: a worker leaves through it when it is done.
  std::map<uint64_t, std::unique_ptr<Sequence>> workers_;
  uint64_t next_worker_ = 1;
  SharedWork pulls_;
  Sequence sequence_;
};

}  // namespace ember::daemon
