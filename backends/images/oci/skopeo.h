#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backends/images/image_reference.h"
#include "base/cancellation.h"

namespace ember::images {

// How to get at registries.
struct RegistryAccess {
  std::filesystem::path auth_file;  // empty: where skopeo looks itself
  bool plain_http = false;
  std::filesystem::path scratch;  // for what skopeo keeps while it works
};

// The program skopeo(1), which knows registries, their ways of logging in, mirrors and proxies. A
// value; all calls block.
class Skopeo {
 public:
  // FailedPrecondition, with what to install, when there is no skopeo, and NotFound for an auth
  // file that is not there.
  static absl::StatusOr<Skopeo> Find(RegistryAccess access);

  // The bytes of the manifest or index that `reference` stands for.
  absl::StatusOr<std::string> Manifest(const ImageReference& reference,
                                       const Cancellation& cancellation) const;

  // The bytes of the config of an image, as the registry has it: Copy writes that of a Docker
  // manifest anew.
  absl::StatusOr<std::string> Config(const ImageReference& reference,
                                     const Cancellation& cancellation) const;

  // Copies an image, its blobs to <blobs>/sha256/<hex>, the rest to the OCI layout `layout`; blobs
  // that are there are taken as they are, layers are never packed anew. A blob gets its name when
  // it is complete. An error that `watch` answers ends the copy.
  absl::Status Copy(const ImageReference& reference, const std::filesystem::path& blobs,
                    const std::filesystem::path& layout, std::function<absl::Status()> watch,
                    const Cancellation& cancellation) const;

 private:
  explicit Skopeo(RegistryAccess access) : access_(std::move(access)) {}

  absl::StatusOr<std::string> Inspect(const ImageReference& reference,
                                      const std::vector<std::string>& options,
                                      const Cancellation& cancellation) const;

  RegistryAccess access_;
};

// What skopeo's standard error says about an image that could not be had, as a status with a hint.
absl::Status SkopeoFailure(const ImageReference& reference, std::string_view standard_error);

// Whether the same call may succeed a little later.
bool IsWorthAnotherTry(const absl::Status& status);

}  // namespace ember::images
