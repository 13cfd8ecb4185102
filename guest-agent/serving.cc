#include "guest-agent/serving.h"

namespace ember::agent {

void Serving::End() {
  ended_ = true;
  agent_.reset();
  processes_.HangUp();
}

void Serving::Restart() {
  if (ended_) return;
  agent_.reset();
  children_.WhenNoneHungUp([this] {
    if (ended_) return;
    released_ = processes_.Release();
    loop_.Stop();
  });
}

}  // namespace ember::agent
