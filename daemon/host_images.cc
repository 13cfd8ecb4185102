// What Host has to say about images and kernels: whether a VM still needs one.
#include <memory>
#include <set>
#include <utility>

#include "base/status.h"
#include "daemon/host_decisions.h"

namespace ember::daemon {
namespace {

std::string Joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

absl::Status InUse(std::string_view what, const std::string& name,
                   const std::vector<std::string>& vms) {
  return WithHint(
      WithReason(FailedPrecondition("{} '{}' is in use by VM(s): {}", what, name, Joined(vms)),
                 "IN_USE"),
      fmt::format("delete them first with 'ember vm delete NAME'{}",
                  what == "image" ? ", or all of it with 'ember image delete --force'" : ""));
}

absl::Status BeingDeleted(std::string_view name) {
  return WithHint(FailedPrecondition("image '{}' is being deleted", name),
                  "try again when that is done: ember image list");
}

}  // namespace

void Host::NoteImages() {
  sequence_.AssertCurrent();
  auto records = store_->ListVms();
  if (!records.ok()) return;  // recovery tells
  for (const state::VmRecord& vm : *records) {
    if (vm.image.has_value() || vm.config.image.empty()) continue;
    const auto image = catalog_.GetImage(vm.config.image);
    if (!image.ok()) continue;
    const state::VmImageRow row{image->id, images::ImageConfigToJson(image->config)};
    if (const absl::Status noted = store_->NoteImage(vm.id, row).status(); !noted.ok()) {
      ledger_.context().log.Error("the image of a VM could not be noted",
                                  {{"vm", vm.name}, {"cause", std::string(Message(noted))}});
    }
  }
}

void Host::DeleteImage(std::string name, DeleteMode mode, Reply<Done> reply) {
  Decide(std::move(reply), [this, name = std::move(name), mode](Reply<Done> reply) mutable {
    sequence_.AssertCurrent();
    const auto image = catalog_.GetImage(name);
    if (!image.ok()) return reply(image.status());
    if (images_going_.contains(image->id)) return reply(BeingDeleted(name));
    const bool stays = images::IsNameOf(*image, name) && image->names.size() > 1;
    const Uses uses = CollectUses();
    const auto used = uses.of_image.find(image->id);
    if (stays || used == uses.of_image.end()) return DropImage(name, image->id, std::move(reply));
    if (mode != DeleteMode::kForce) return reply(InUse("image", name, used->second));
    images_going_.insert(image->id);
    DeleteUsers(used->second, [this, name, id = image->id,
                               answer = std::make_shared<Reply<Done>>(std::move(reply))](
                                  const absl::Status& deleted) {
      sequence_.AssertCurrent();
      if (deleted.ok()) return DropImage(name, id, std::move(*answer));
      images_going_.erase(id);
      (*answer)(Annotate(deleted, fmt::format("image '{}' stays", name)));
    });
  });
}

void Host::DeleteUsers(const std::vector<std::string>& vms,
                       std::function<void(absl::Status)> done) {
  sequence_.AssertCurrent();
  // Answered by whichever VM goes last.
  auto left = std::make_shared<size_t>(vms.size());
  auto failure = std::make_shared<absl::Status>();
  const auto one_gone = [left, failure, done = std::move(done)](const absl::Status& removed) {
    failure->Update(removed);
    if (--*left == 0) done(*failure);
  };
  for (const std::string& name : vms) {
    const auto vm = vms_.Find(name);
    if (!vm.ok()) {
      one_gone(absl::OkStatus());
    } else if ((*vm)->renaming()) {
      one_gone(BeingRenamed(**vm));
    } else {
      lifecycle_.Remove(**vm, state::VmEvent::kForceDelete, "its image is deleted", one_gone);
    }
  }
}

void Host::DropImage(const std::string& name, const std::string& id, Reply<Done> reply) {
  sequence_.AssertCurrent();
  // From here until it is gone no VM may be made from it.
  images_going_.insert(id);
  catalog_.DeleteImage(
      name, Reply<Done>([this, id, reply = std::move(reply)](absl::StatusOr<Done> done) mutable {
        sequence_.Post([this, id, done, reply = std::move(reply)]() mutable {
          sequence_.AssertCurrent();
          images_going_.erase(id);
          reply(done);
        });
      }));
}

void Host::PruneImages(PruneScope scope, bool dry_run, Reply<images::Pruned> reply) {
  Decide(std::move(reply), [this, scope, dry_run](Reply<images::Pruned> reply) {
    sequence_.AssertCurrent();
    const auto images = catalog_.ListImages();
    if (!images.ok()) return reply(images.status());
    const Uses uses = CollectUses();
    std::set<std::string> doomed;
    for (const images::ImageRecord& image : *images) {
      const bool in_scope = scope == PruneScope::kAll || image.names.empty();
      if (in_scope && !uses.of_image.contains(image.id) && !images_going_.contains(image.id)) {
        doomed.insert(image.id);
      }
    }
    images_going_.insert(doomed.begin(), doomed.end());
    catalog_.PruneImages(doomed, dry_run,
                         Reply<images::Pruned>([this, doomed, reply = std::move(reply)](
                                                   absl::StatusOr<images::Pruned> pruned) mutable {
                           sequence_.Post([this, doomed, pruned = std::move(pruned),
                                           reply = std::move(reply)]() mutable {
                             sequence_.AssertCurrent();
                             for (const std::string& id : doomed) images_going_.erase(id);
                             reply(std::move(pruned));
                           });
                         }));
  });
}

void Host::DeleteKernel(std::string name, Reply<Done> reply) {
  Decide(std::move(reply), [this, name = std::move(name)](Reply<Done> reply) {
    sequence_.AssertCurrent();
    const Uses uses = CollectUses();
    if (const auto used = uses.of_kernel.find(name); used != uses.of_kernel.end()) {
      return reply(InUse("kernel", name, used->second));
    }
    // A VM that is created meanwhile with this kernel does not start and says so: kernels are not
    // cloned.
    catalog_.DeleteKernel(name, std::move(reply));
  });
}

}  // namespace ember::daemon
