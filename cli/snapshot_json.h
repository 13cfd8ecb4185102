#pragma once

#include <string>

#include "ember/v1/storage_service.pb.h"

// As json.h.
namespace ember::cli {

std::string JsonText(const v1::Snapshot& snapshot);
std::string JsonText(const v1::ListSnapshotsResponse& response);

}  // namespace ember::cli
