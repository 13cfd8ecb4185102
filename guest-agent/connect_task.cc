#include <optional>
#include <utility>

#include "base/status.h"
#include "base/status_macros.h"
#include "guest-agent/session_task.h"
#include "guest-agent/stream_address.h"

namespace ember::agent {
namespace {

constexpr absl::Duration kConnectLimit = absl::Seconds(10);

// Connects to a socket of the guest, then hands the session's connection on.
class ConnectTask : public SessionTask {
 public:
  ConnectTask(const Context& context, ClientLink& link) : context_(context), link_(link) {}

  void Start(StreamAddress address) {
    // What the client sends from now on is not for us.
    link_.SetReading(Reading::kOff);
    dial_.emplace(context_.loop, std::move(address), kConnectLimit,
                  [this](absl::StatusOr<UniqueFd> guest) { OnConnected(std::move(guest)); });
  }

  absl::Status OnFrame(const v1::ClientFrame&) override {
    return InvalidArgument("a frame where a stream begins");
  }

 private:
  void OnConnected(absl::StatusOr<UniqueFd> guest) {
    if (!guest.ok()) return link_.Fail(guest.status());
    v1::AgentFrame open;
    open.mutable_stream_open();
    link_.Send(open);
    context_.joints.Join(link_.Take(), *std::move(guest));
  }

  const Context& context_;
  ClientLink& link_;
  std::optional<StreamDial> dial_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<SessionTask>> StartConnectTask(const Context& context,
                                                              const v1::ClientFrame& request,
                                                              ClientLink& link) {
  ASSIGN_OR_RETURN(StreamAddress address, AddressOf(request.connect_stream().address(), 1));
  auto task = std::make_unique<ConnectTask>(context, link);
  task->Start(std::move(address));
  return task;
}

}  // namespace ember::agent
