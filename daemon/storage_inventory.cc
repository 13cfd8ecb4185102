#include "daemon/storage_inventory.h"

#include <set>
#include <system_error>
#include <utility>

#include "daemon/volume_files.h"

namespace ember::daemon {
namespace {

std::vector<std::filesystem::path> FilesBelow(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  std::error_code error;
  std::filesystem::recursive_directory_iterator walk(folder, error);
  for (; !error && walk != std::filesystem::recursive_directory_iterator(); walk.increment(error)) {
    if (walk->is_regular_file(error)) files.push_back(walk->path());
  }
  return files;
}

}  // namespace

StorageInventory::StorageInventory(std::filesystem::path state_dir)
    : state_dir_(std::move(state_dir)), layer_files_(state_dir_ / "layers") {}

void StorageInventory::AddImages(const std::vector<images::ImageRecord>& images) {
  std::map<std::string, const images::ImageRecord*> by_id;  // a list has an image for each name
  std::map<std::filesystem::path, int> users;
  for (const images::ImageRecord& image : images) {
    rootfs_by_image_[image.name] = rootfs_by_image_[image.id] = image.rootfs;
    if (by_id.emplace(image.id, &image).second) ++users[image.rootfs];
  }
  for (const auto& [id, image] : by_id) {
    StorageItem item{"image", image->name.empty() ? id : image->name, image->size_bytes, {}};
    (users[image->rootfs] > 1 ? item.files.shared : item.files.own).push_back(image->rootfs);
    items_.push_back(std::move(item));
  }
}

void StorageInventory::AddKernels(const std::vector<images::KernelRecord>& kernels) {
  for (const images::KernelRecord& kernel : kernels) {
    items_.push_back(
        {"kernel", kernel.name, std::nullopt, {FilesBelow(kernel.vmlinux.parent_path())}});
  }
}

void StorageInventory::AddLayers(const std::vector<state::DiskLayer>& layers) {
  for (const state::DiskLayer& layer : layers) layers_[layer.id] = layer;
  for (const state::DiskLayer& layer : layers) {
    StorageItem item{"layer", layer.id, layer.size_bytes, {}};
    item.files.own = {layer_files_.PathOf(layer.id, storage::ParseVolumeFormat(layer.format))};
    if (!layer.base_id.empty()) item.files.shared = Under(layer.base_id, "");
    items_.push_back(std::move(item));
  }
}

void StorageInventory::AddVms(const std::vector<state::VmRecord>& vms) {
  for (const state::VmRecord& vm : vms) {
    vms_[vm.id] = vm;
    if (vm.disk.path.empty()) continue;
    StorageItem item{"vm", vm.name, vm.config.disk_bytes, {{vm.disk.path}}};
    if (vm.disk.format == "qcow2") item.files.shared = Under(vm.disk.layer_id, vm.id);
    items_.push_back(std::move(item));
  }
}

void StorageInventory::AddSnapshots(const std::vector<state::Snapshot>& snapshots) {
  for (const state::Snapshot& snapshot : snapshots) {
    const auto vm = vms_.find(snapshot.vm_id);
    if (vm == vms_.end() || snapshot.state != state::SnapshotState::kReady) continue;
    StorageItem item{"snapshot", vm->second.name + "/" + snapshot.name, snapshot.disk_bytes, {}};
    if (snapshot.file_name.empty()) {
      item.files.shared = Under(snapshot.layer_id, snapshot.vm_id);
    } else {
      item.files.own = {state_dir_ / "vms" / vm->second.dir_name / snapshot.file_name};
    }
    items_.push_back(std::move(item));
  }
}

void StorageInventory::AddVolumes(const std::vector<state::DataVolume>& volumes) {
  for (const state::DataVolume& volume : volumes) {
    items_.push_back(
        {"volume", volume.name, volume.size_bytes, {{VolumePath(state_dir_, volume.name)}}});
  }
}

StorageInventory::Paths StorageInventory::Under(const std::string& layer_id,
                                                const std::string& vm_id) const {
  Paths paths;
  std::set<std::string> seen;  // rows that form a ring are a defect, and no reason to hang
  for (std::string id = layer_id; seen.insert(id).second;) {
    const auto layer = layers_.find(id);
    if (layer == layers_.end()) break;
    paths.push_back(layer_files_.PathOf(id, storage::ParseVolumeFormat(layer->second.format)));
    id = layer->second.base_id;
  }
  const auto vm = vms_.find(vm_id);
  if (vm == vms_.end()) return paths;
  const std::string& image =
      vm->second.image.has_value() ? vm->second.image->id : vm->second.config.image;
  const auto rootfs = rootfs_by_image_.find(image);
  if (rootfs != rootfs_by_image_.end()) {
    paths.push_back(rootfs->second);
  }
  return paths;
}

}  // namespace ember::daemon
