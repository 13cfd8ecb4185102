// The fake agent's file systems.
#include "tests/support/fake_agent.h"

namespace ember::testing {

void FakeAgent::OnFreeze() {
  freezes_ = true;
  ++guest_->freezes;
  guest_->frozen = true;
  agent::v1::AgentFrame frame;
  frame.mutable_frozen()->add_mount_points("/");
  Send(frame);
}

void FakeAgent::OnThaw() {
  freezes_ = false;
  guest_->frozen = false;
  if (guest_->thaws_early) return Fail(agent::v1::Failure::INTERNAL, "thawed after 5s");
  agent::v1::AgentFrame frame;
  frame.mutable_done();
  Reply(frame);
}

void FakeAgent::OnGrow(const agent::v1::GrowFilesystem& grow) {
  guest_->disk_bytes = grow.disk_bytes();
  agent::v1::AgentFrame frame;
  frame.mutable_grown()->set_size_bytes(grow.disk_bytes());
  Reply(frame);
}

}  // namespace ember::testing
