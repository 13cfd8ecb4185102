#pragma once

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <map>
#include <mutex>
#include <string>

#include "ember/v1/forward_service.grpc.pb.h"

namespace ember::testing {

// Keeps forwards in memory, and proxies to guests without a network: port 7 sends back what it
// gets and ends when it does, port 9 ends its half at once and takes input to its end, port 19 says
// "hello" and ends when its client does, port 99 sends without an end; nobody listens at others.
// Thread-safe.
class FakeForwards final : public v1::ForwardService::Service {
 public:
  v1::AddForwardRequest last_add();
  // Input that port 9 has taken, in bytes.
  std::atomic<size_t> taken{0};
  // Proxy calls that have ended.
  std::atomic<int> ended{0};

  using Context = grpc::ServerContext;
  grpc::Status AddForward(Context*, const v1::AddForwardRequest*, v1::Forward*) override;
  grpc::Status ListForwards(Context*, const v1::ListForwardsRequest*,
                            v1::ListForwardsResponse*) override;
  grpc::Status RemoveForward(Context*, const v1::RemoveForwardRequest*,
                             v1::RemoveForwardResponse*) override;
  grpc::Status Proxy(Context*,
                     grpc::ServerReaderWriter<v1::ProxyResponse, v1::ProxyRequest>*) override;

 private:
  std::mutex mutex_;
  v1::AddForwardRequest last_add_;           // under mutex_
  std::map<std::string, v1::Forward> kept_;  // the same
};

}  // namespace ember::testing
