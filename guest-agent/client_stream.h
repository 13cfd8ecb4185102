#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/frame.h"
#include "ember/agent/v1/agent.pb.h"

namespace ember::agent {

// The protocol's version that is spoken here.
inline constexpr uint32_t kProtocolMajor = 1;
inline constexpr uint32_t kProtocolMinor = 0;

// The largest payload of one StdinData, StdoutData or StderrData, in bytes.
inline constexpr size_t kMaxPayload = size_t{256} << 10;

// What one client sends on the framed port (docs/agent-protocol.md): cuts it into frames and checks
// that each is allowed where it stands, so that who uses the frames need not. Not thread-safe.
class ClientStream {
 public:
  void Append(std::string_view bytes) { frames_.Append(bytes); }

  // The next frame, or nothing when more bytes are needed. Frames of a kind that is not known here
  // are passed over. Unimplemented for a major version that is not known; InvalidArgument for
  // whatever else breaks the protocol. After an error the connection is to be ended.
  absl::StatusOr<std::optional<v1::ClientFrame>> Next();

  // Allows so many more bytes of StdinData.
  void GrantInput(uint64_t bytes) { credit_ += bytes; }

 private:
  enum class Phase { kHello, kRequest, kSession, kOver };

  absl::Status Check(const v1::ClientFrame& frame);
  absl::Status CheckHello(const v1::ClientFrame& frame);
  absl::Status CheckRequest(const v1::ClientFrame& frame);
  absl::Status CheckSession(const v1::ClientFrame& frame);
  absl::Status CheckInput(const v1::ClientFrame& frame);

  FrameReader frames_;
  Phase phase_ = Phase::kHello;
  uint64_t credit_ = 0;
  bool input_ended_ = false;
};

}  // namespace ember::agent
