#pragma once

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <condition_variable>
#include <mutex>

#include "ember/v1/care_service.grpc.pb.h"

namespace ember::testing {

// Makes up numbers of guests: each answer is a second after the one before, in which half of the
// vCPUs' time was used. A VM "gone" has none. Nothing listens at a port until Serve. Thread-safe.
class FakeCare final : public v1::CareService::Service {
 public:
  void Serve(uint32_t port) {
    const std::lock_guard lock(mutex_);
    served_ = port;
    changed_.notify_all();
  }
  std::atomic<int> waits{0};  // calls that wait now
  std::atomic<int> asked{0};  // for numbers

  using Context = grpc::ServerContext;
  grpc::Status GetVmStats(Context*, const v1::GetVmStatsRequest*, v1::VmStats*) override;
  grpc::Status WaitPort(Context*, const v1::WaitPortRequest*, v1::WaitPortResponse*) override;

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  uint32_t served_ = 0;  // guarded by mutex_
};

}  // namespace ember::testing
