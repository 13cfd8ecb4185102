#pragma once

#include <string>
#include <vector>

#include "ember/v1/host_service.pb.h"
#include "ember/v1/storage_service.pb.h"

// Results as JSON for scripts: snake_case keys that are always there, null for what is absent,
// ASCII only (so no text can reach a terminal as control characters). Each ends with a line end.
namespace ember::cli {

std::string JsonText(const v1::Vm& vm);
// A list of things is an array of them. A VM of this one also has "corrupted" and "anomalies".
std::string JsonText(const v1::ListVmsResponse& response);
std::string JsonText(const std::vector<v1::Vm>& vms);
// The VM, with "frozen_ms" and "full_copy".
std::string JsonText(const v1::ForkVmResponse& forked);
std::string JsonText(const v1::Image& image);
std::string JsonText(const v1::ListImagesResponse& response);
std::string JsonText(const v1::SavedImage& saved);
std::string JsonText(const v1::PruneImagesResponse& pruned);
std::string JsonText(const v1::Host& host);
std::string JsonText(const v1::DoctorReport& report);
std::string JsonText(const v1::CheckHostResponse& response);
std::string JsonText(const v1::RepairHostResponse& response);
// One line, so that a stream of events is one JSON document per line.
std::string JsonText(const v1::Event& event);
// {"client": {…}, "daemon": {…} or null}.
std::string VersionJsonText(const std::string& client_version, const v1::Host* daemon);
// {"deleted": [names]}.
std::string DeletedJsonText(const std::vector<std::string>& names);

}  // namespace ember::cli
