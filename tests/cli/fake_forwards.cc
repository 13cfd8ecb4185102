#include "tests/cli/fake_forwards.h"

namespace ember::testing {
namespace {

using Stream = grpc::ServerReaderWriter<v1::ProxyResponse, v1::ProxyRequest>;

constexpr uint32_t kFreePort = 20'000;

bool Say(Stream& stream, const std::string& text) {
  v1::ProxyResponse response;
  response.set_data(text);
  return stream.Write(response);
}

void End(Stream& stream) {
  v1::ProxyResponse response;
  response.set_end(true);
  stream.Write(response);
}

}  // namespace

v1::AddForwardRequest FakeForwards::last_add() {
  std::lock_guard lock(mutex_);
  return last_add_;
}

grpc::Status FakeForwards::AddForward(Context*, const v1::AddForwardRequest* request,
                                      v1::Forward* forward) {
  std::lock_guard lock(mutex_);
  last_add_ = *request;
  forward->set_id("forward-" + std::to_string(kept_.size() + 1));
  forward->set_vm(request->vm());
  *forward->mutable_host() = request->host();
  *forward->mutable_guest() = request->guest();
  forward->set_reverse(request->reverse());
  forward->set_serving(!request->reverse());
  forward->set_reason(request->reverse() ? "the guest does not listen yet" : "");
  for (v1::TcpAddress* address :
       {forward->mutable_host()->has_tcp() ? forward->mutable_host()->mutable_tcp() : nullptr,
        forward->mutable_host()->has_udp() ? forward->mutable_host()->mutable_udp() : nullptr}) {
    if (address == nullptr) continue;
    if (address->ip().empty()) address->set_ip("127.0.0.1");
    if (address->port() == 0) address->set_port(kFreePort);
  }
  kept_[forward->id()] = *forward;
  return grpc::Status::OK;
}

grpc::Status FakeForwards::ListForwards(Context*, const v1::ListForwardsRequest* request,
                                        v1::ListForwardsResponse* response) {
  std::lock_guard lock(mutex_);
  for (const auto& [id, forward] : kept_) {
    if (request->vm().empty() || request->vm() == forward.vm()) *response->add_forwards() = forward;
  }
  return grpc::Status::OK;
}

grpc::Status FakeForwards::RemoveForward(Context*, const v1::RemoveForwardRequest* request,
                                         v1::RemoveForwardResponse*) {
  std::lock_guard lock(mutex_);
  if (kept_.erase(request->id()) > 0) return grpc::Status::OK;
  return {grpc::StatusCode::NOT_FOUND, "forward '" + request->id() + "' not found"};
}

grpc::Status FakeForwards::Proxy(Context* context, Stream* stream) {
  v1::ProxyRequest request;
  if (!stream->Read(&request)) return grpc::Status::CANCELLED;
  const uint32_t port = request.start().guest().tcp().port();
  if (port != 7 && port != 9 && port != 19 && port != 99) {
    ++ended;
    return {grpc::StatusCode::UNAVAILABLE, "vm 'web': nobody listens at port"};
  }
  v1::ProxyResponse open;
  open.set_open(true);
  stream->Write(open);
  if (port == 19) Say(*stream, "hello");
  if (port == 9) End(*stream);
  while (port == 99 && !context->IsCancelled() && Say(*stream, std::string(65536, 'x'))) continue;
  while (stream->Read(&request) && !request.end()) {
    if (port == 7) Say(*stream, request.data());
    if (port == 9) taken += request.data().size();
  }
  if (port != 9) End(*stream);
  ++ended;
  return grpc::Status::OK;
}

}  // namespace ember::testing
