#pragma once

#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cli/client.h"
#include "ember/v1/file_service.pb.h"

// The small questions about files of VMs. They block; Ctrl-C cancels them.
namespace ember::cli {

// By name.
absl::StatusOr<std::vector<v1::FileInfo>> ListDirectory(Client& client,
                                                        const v1::ListDirectoryRequest& request);
absl::StatusOr<v1::FileInfo> StatFile(Client& client, const v1::StatFileRequest& request);
absl::Status RemoveFile(Client& client, const v1::RemoveFileRequest& request);
absl::Status MakeDirectory(Client& client, const v1::MakeDirectoryRequest& request);

}  // namespace ember::cli
