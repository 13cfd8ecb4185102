#include <cstddef>
#include <cstdint>
#include <string>

#include "base/check.h"
#include "guest-agent/client_stream.h"
#include "guest-agent/input_gate.h"
#include "guest-agent/session_task.h"

// What a client may send on the framed port. A session that trusts the checks must see Hello, then
// one request, and never more input than it granted.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  constexpr uint64_t kGranted = 100;
  ember::agent::ClientStream stream;
  ember::agent::InputGate gate;
  gate.Grant(kGranted);
  stream.Append({reinterpret_cast<const char*>(bytes), size});
  uint64_t taken = 0;
  for (int number = 0;; ++number) {
    const auto frame = stream.Next();
    if (!frame.ok() || !frame->has_value()) return 0;
    EMBER_CHECK((number == 0) == (*frame)->has_hello());
    const bool request = ember::agent::FindTask((*frame)->kind_case()) != nullptr;
    EMBER_CHECK(request == (number == 1));
    if (number < 2) continue;
    if (!gate.Check(**frame).ok()) return 0;
    taken += (*frame)->stdin_data().payload().size();
    EMBER_CHECK(taken <= kGranted);
  }
}
