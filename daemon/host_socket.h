#pragma once

#include <sys/types.h>

#include <filesystem>

#include "absl/status/statusor.h"
#include "base/unique_fd.h"
#include "state/forward.h"

namespace ember::daemon {

// The socket at which a forward listens on the host (of UDP: is bound), and of a Unix socket its
// file, which goes with it. Move-only.
class HostSocket {
 public:
  // A Unix socket has mode 0600 and replaces a dead one of the daemon's own user. AlreadyExists
  // where the address is taken, by another program or by a file that is not ours to remove.
  static absl::StatusOr<HostSocket> Open(const state::ForwardSide& side);
  HostSocket() = default;
  HostSocket(HostSocket&& other) noexcept;
  HostSocket& operator=(HostSocket&& other) noexcept;
  ~HostSocket() { RemoveFile(); }

  // Hands the descriptor on; the file stays here.
  UniqueFd TakeFd() { return std::move(fd_); }
  // True when there was one; not where another file has taken its place.
  bool RemoveFile();

 private:
  UniqueFd fd_;
  std::filesystem::path path_;  // empty: there is no file
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

}  // namespace ember::daemon
