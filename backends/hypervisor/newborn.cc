#include "backends/hypervisor/newborn.h"

#include <signal.h>

namespace ember::hypervisor {

Newborn::~Newborn() {
  if (!process_.has_value()) return;
  process_->Signal(SIGKILL).IgnoreError();
  // A killed child ends without our help, so this wait is short; a deadline would leave a zombie.
  process_->Wait({}).IgnoreError();
}

}  // namespace ember::hypervisor
