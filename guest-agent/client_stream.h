#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/frame.h"
#include "ember/agent/v1/agent.pb.h"

namespace ember::agent {

// The protocol's version that is spoken here.
inline constexpr uint32_t kProtocolMajor = 1;
inline constexpr uint32_t kProtocolMinor = 2;

// The largest payload of one Bytes frame, in bytes.
inline constexpr size_t kMaxPayload = size_t{256} << 10;

// What one client sends on the framed port (docs/agent-protocol.md): cuts it into frames and checks
// their order, Hello, then one request. What may follow that is the business of the request's task.
// Not thread-safe.
class ClientStream {
 public:
  void Append(std::string_view bytes) { frames_.Append(bytes); }

  // The next frame, or nothing when more bytes are needed. Frames of a kind that is not known here
  // are passed over. Unimplemented for a major version that is not known; InvalidArgument for
  // whatever else breaks the protocol. After an error the connection is to be ended.
  absl::StatusOr<std::optional<v1::ClientFrame>> Next();

  // Bytes that no frame was made of yet; they are the caller's from now on.
  std::string TakeRest() { return frames_.TakeRest(); }

 private:
  enum class Phase { kHello, kRequest, kSession };

  absl::Status Check(const v1::ClientFrame& frame);
  absl::Status CheckHello(const v1::ClientFrame& frame);

  FrameReader frames_;
  Phase phase_ = Phase::kHello;
};

}  // namespace ember::agent
