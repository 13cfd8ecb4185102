#pragma once

#include <string>

#include "ember/v1/storage_service.pb.h"

// How what disks take is shown. What is not known is left out: an empty cell, a missing key.
namespace ember::cli {

std::string UsageText(const v1::StorageUsage& usage);
std::string UsageJsonText(const v1::StorageUsage& usage);
std::string PrunedText(const v1::PruneStorageResponse& pruned);
std::string PrunedJsonText(const v1::PruneStorageResponse& pruned);

// "12M": bytes that are seldom round, in whole MiB, rounded up.
std::string MibText(uint64_t bytes);

}  // namespace ember::cli
