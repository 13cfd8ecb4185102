#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "daemon/anomaly.h"
#include "daemon/catalog.h"
#include "daemon/doctor.h"
#include "daemon/exec_session.h"
#include "daemon/host.h"
#include "daemon/vm_view.h"
#include "ember/v1/host_service.pb.h"
#include "ember/v1/process_service.pb.h"

// Between the wire's messages and the core's values. Pure functions.
namespace ember::daemon::rpc {

v1::Vm ToProto(const VmView& vm);
v1::Event ToProto(const state::Event& event);
v1::Image ToProto(const images::ImageRecord& image, const std::vector<std::string>& used_by = {});
v1::SavedImage ToProto(const images::SavedImage& saved);
v1::PruneImagesResponse ToProto(const images::Pruned& pruned);
v1::Kernel ToProto(const images::KernelRecord& kernel,
                   const std::vector<std::string>& used_by = {});
v1::Progress ToProto(const images::Progress& progress);
v1::DoctorCheck ToProto(const DoctorCheck& check);
v1::Anomaly ToProto(const Anomaly& anomaly);
v1::ExecExited ToProto(const ExecResult& result);

CreateVmSpec FromProto(const v1::CreateVmRequest& request);
VmUpdate FromProto(const v1::UpdateVmRequest& request);
images::BuildRecipe FromProto(const v1::BuildImageRequest& request);
images::PullRequest FromProto(const v1::PullImageRequest& request);
images::LoadRequest FromProto(const v1::LoadImageRequest& request);
images::SaveRequest FromProto(const v1::SaveImageRequest& request);
VmFilter FromProto(const v1::ListVmsRequest& request);
FollowRequest FromProto(const v1::FollowStart& start);
// InvalidArgument for an empty argv, a time-out that is not positive or of a detached process, and
// a umask that is none.
absl::StatusOr<ExecCommand> FromProto(const v1::ExecStart& start);
absl::Duration FromProto(const google::protobuf::Duration& duration);

}  // namespace ember::daemon::rpc
