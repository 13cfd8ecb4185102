#include <cstddef>
#include <cstdint>
#include <string>

#include "base/check.h"
#include "guest-agent/client_stream.h"

// What a client may send on the framed port. A session that trusts the stream's checks must never
// see more input than it granted, nor a first frame other than Hello.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  ember::agent::ClientStream stream;
  stream.Append({reinterpret_cast<const char*>(bytes), size});
  uint64_t granted = 0;
  uint64_t taken = 0;
  bool first = true;
  while (true) {
    const auto frame = stream.Next();
    if (!frame.ok() || !frame->has_value()) return 0;
    EMBER_CHECK(!first || (*frame)->has_hello());
    first = false;
    if ((*frame)->has_exec_start()) {
      EMBER_CHECK(granted == 0 && !(*frame)->exec_start().argv().empty());
      granted = 100;
      stream.GrantInput(granted);
    }
    taken += (*frame)->stdin_data().payload().size();
    EMBER_CHECK(taken <= granted);
  }
}
