// FakeHost's list of VMs, with the check of the host that comes with it, and its repair.
#include <algorithm>

#include "tests/cli/fake_host.h"

namespace ember::testing {
namespace {

bool Fits(const v1::Vm& vm, const v1::ListVmsRequest& request) {
  for (const auto& [key, value] : request.labels()) {
    const auto label = vm.labels().find(key);
    if (label == vm.labels().end() || (!value.empty() && label->second != value)) return false;
  }
  const auto& states = request.states();
  return states.empty() || std::find(states.begin(), states.end(), vm.state()) != states.end();
}

}  // namespace

void FakeHost::AddAnomaly(const v1::Anomaly& anomaly, const std::string& error) {
  OnHost([&] { return findings_.push_back({anomaly, error}), 0; });
}
void FakeHost::BreakCheck(const std::string& error) {
  OnHost([&] { return check_error_ = error, 0; });
}

grpc::Status FakeHost::ListVms(Context* context, const v1::ListVmsRequest* request,
                               v1::ListVmsResponse* response) {
  if (auto failure = TakeFailure(context); !failure.ok()) return failure;
  OnHost([&] {
    for (const auto& [name, vm] : vms_) {
      if (Fits(vm, *request)) *response->add_vms() = vm;
    }
    response->set_check_error(check_error_);
    if (!check_error_.empty()) return 0;
    for (const Finding& finding : findings_) *response->add_anomalies() = finding.anomaly;
    return 0;
  });
  return grpc::Status::OK;
}

grpc::Status FakeHost::CheckHost(Context* context, const v1::CheckHostRequest*,
                                 v1::CheckHostResponse* response) {
  if (auto failure = TakeFailure(context); !failure.ok()) return failure;
  return OnHost([&]() -> grpc::Status {
    if (!check_error_.empty()) return {grpc::INTERNAL, check_error_};
    for (const Finding& finding : findings_) *response->add_anomalies() = finding.anomaly;
    return grpc::Status::OK;
  });
}

grpc::Status FakeHost::RepairHost(Context* context, const v1::RepairHostRequest* request,
                                  v1::RepairHostResponse* response) {
  if (auto failure = TakeFailure(context); !failure.ok()) return failure;
  return OnHost([&]() -> grpc::Status {
    if (!check_error_.empty()) return {grpc::INTERNAL, check_error_};
    std::vector<Finding> left;
    for (const Finding& finding : findings_) {
      auto* repair = response->add_repairs();
      *repair->mutable_anomaly() = finding.anomaly;
      if (finding.anomaly.repairable()) repair->set_action("put right " + finding.anomaly.kind());
      if (!request->dry_run()) repair->set_error(finding.error);
      const bool gone = !repair->action().empty() && repair->error().empty();
      if (request->dry_run() || !gone) left.push_back(finding);
    }
    findings_ = std::move(left);
    return grpc::Status::OK;
  });
}

}  // namespace ember::testing
