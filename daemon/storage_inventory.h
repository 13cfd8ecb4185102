#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "backends/images/image_record.h"
#include "backends/images/kernel_store.h"
#include "backends/storage/layer_files.h"
#include "daemon/storage_report.h"
#include "state/disk_layer.h"
#include "state/snapshot.h"
#include "state/vm_record.h"
#include "state/volume.h"

namespace ember::daemon {

// Which files belong to what, out of rows and records: the list that MeasureStorage measures. What
// lies over something else has that as shared: a disk over its layers and its image, an image's
// root filesystem that another image has, too. Add in the order of the functions. Reads folders of
// kernels, no file. Not thread-safe.
class StorageInventory {
 public:
  explicit StorageInventory(std::filesystem::path state_dir);

  void AddImages(const std::vector<images::ImageRecord>& images);
  void AddKernels(const std::vector<images::KernelRecord>& kernels);
  void AddLayers(const std::vector<state::DiskLayer>& layers);
  void AddVms(const std::vector<state::VmRecord>& vms);
  void AddSnapshots(const std::vector<state::Snapshot>& snapshots);
  void AddVolumes(const std::vector<state::DataVolume>& volumes);

  std::vector<StorageItem> Take() && { return std::move(items_); }

 private:
  using Paths = std::vector<std::filesystem::path>;

  // The files under a disk: the layer of that id, those under it, and at the end the image.
  Paths Under(const std::string& layer_id, const std::string& vm_id) const;

  const std::filesystem::path state_dir_;
  const storage::LayerFiles layer_files_;
  std::map<std::string, std::filesystem::path> rootfs_by_image_;  // ids and names
  std::map<std::string, state::DiskLayer> layers_;
  std::map<std::string, state::VmRecord> vms_;
  std::vector<StorageItem> items_;
};

}  // namespace ember::daemon
