#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "backends/images/image_config.h"

namespace ember::images {

// A layer that an image was made from, as it came.
struct ImageLayer {
  std::string digest;  // "sha256:…" of the blob, compressed or not
  uint64_t size_bytes = 0;

  friend bool operator==(const ImageLayer&, const ImageLayer&) = default;
};

// The documents that describe an image made from layers; they and the layers are blobs of the
// store. Both empty: it was not made from layers.
struct ImageManifest {
  std::string digest;         // "sha256:…" of the manifest
  std::string config_digest;  // "sha256:…" of the OCI or Docker configuration

  friend bool operator==(const ImageManifest&, const ImageManifest&) = default;
};

// A root filesystem that VMs' disks are cloned from, and how its processes want to run.
struct ImageRecord {
  std::string name;         // the one that was asked for, else the first; empty: it has none
  std::string source;       // "busybox", "debian:bookworm", "tar:rootfs.tar", "pull:docker.io/…"
  std::string digest;       // "sha256:…" of the file `rootfs`
  uint64_t size_bytes = 0;  // of the filesystem
  uint64_t disk_bytes = 0;  // allocated on the host now
  std::filesystem::path rootfs;  // raw ext4; never changed once it is there
  absl::Time created_at;
  std::string id;  // ImageId; images with the same id are one
  ImageConfig config;
  std::vector<ImageLayer> layers;  // bottom first
  ImageManifest manifest;
  std::vector<std::string> names;  // sorted

  friend bool operator==(const ImageRecord&, const ImageRecord&) = default;
};

// "sha256:…" over what makes an image the same image: its root filesystem and its config.
std::string ImageId(const std::string& rootfs_digest, const ImageConfig& config);

// The 64 digits of "sha256:<64 hex digits>"; empty when `digest` is something else. Safe as a file
// name.
std::string DigestHex(const std::string& digest);

}  // namespace ember::images
