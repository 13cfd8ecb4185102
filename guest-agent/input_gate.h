#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "ember/agent/v1/agent.pb.h"

namespace ember::agent {

// Checks what a client sends to a process against its credit (docs/agent-protocol.md). A value.
class InputGate {
 public:
  // Allows so many more bytes of StdinData.
  void Grant(uint64_t bytes) { credit_ += bytes; }

  // InvalidArgument for a frame that may not come now or makes no sense: StdinData over its limits
  // or after StdinEnd, an unknown signal, a terminal of more than 65535 rows or columns, or no
  // frame of a process at all.
  absl::Status Check(const v1::ClientFrame& frame);

 private:
  absl::Status CheckData(size_t size);

  uint64_t credit_ = 0;
  bool ended_ = false;
};

// InvalidArgument for a terminal that does not exist: its sizes are 16-bit numbers.
absl::Status CheckSize(uint32_t rows, uint32_t columns);

// InvalidArgument unless it is from 1 to 64.
absl::Status CheckSignal(uint32_t number);

}  // namespace ember::agent
