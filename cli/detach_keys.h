#pragma once

#include <string>

namespace ember::cli {

// The keys that leave an attached terminal without ending what runs on it: ctrl-p, then ctrl-q. A
// ctrl-p is held back until the next key says whether it was the first of them. A value.
class DetachKeys {
 public:
  // Takes typed bytes and leaves in them what is to be sent. True once both keys were typed: what
  // came behind them is dropped.
  bool Take(std::string& bytes);

 private:
  bool half_ = false;  // the first key is held back
};

}  // namespace ember::cli
