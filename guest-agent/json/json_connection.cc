#include "guest-agent/json/json_connection.h"

#include <string>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "guest-agent/json/request.h"

namespace ember::agent {
namespace {

// Responses that wait for the client before its next request is looked at, in bytes.
constexpr size_t kQueueLimit = size_t{256} << 10;

}  // namespace

absl::StatusOr<std::unique_ptr<Connection>> JsonConnection::Create(const Context& context,
                                                                   UniqueFd socket,
                                                                   std::function<void()> over) {
  std::unique_ptr<JsonConnection> connection(
      new JsonConnection(context, std::move(socket), std::move(over)));
  RETURN_IF_ERROR(connection->peer_.Start());
  return connection;
}

JsonConnection::JsonConnection(const Context& context, UniqueFd socket, std::function<void()> over)
    : context_(context),
      over_(std::move(over)),
      peer_(context.loop, std::move(socket),
            {.received =
                 [this](std::string_view bytes) {
                   lines_.Append(bytes);
                   Proceed();
                 },
             .input_ended =
                 [this] {
                   input_ended_ = true;
                   Proceed();
                 },
             .sent = [this] { Proceed(); },
             .gone = [this] { over_(); }}) {}

void JsonConnection::Proceed() {
  if (std::exchange(proceeding_, true)) return;
  const absl::Cleanup done = [this] { proceeding_ = false; };
  while (!busy_ && peer_.pending() < kQueueLimit) {
    const auto line = lines_.Next();
    if (!line.ok()) {
      Respond(line.status());
      peer_.Finish();
      return;
    }
    if (!line->has_value()) {
      if (input_ended_) peer_.Finish();
      break;
    }
    Handle(**line);
  }
  peer_.SetReading(busy_ || peer_.pending() >= kQueueLimit ? Reading::kOff : Reading::kOn);
}

void JsonConnection::Handle(std::string_view line) {
  if (line.empty() || line == "\r") return;
  busy_ = true;
  const auto request = ParseRequest(line);
  if (!request.ok()) {
    Respond(InvalidArgument("invalid JSON: {}", Message(request.status())));
  } else {
    Start(*request);
  }
}

void JsonConnection::Start(const nlohmann::json& request) {
  const std::string op = OpOf(request);
  const StartOperation start = FindOperation(op);
  if (start == nullptr) return Respond(InvalidArgument("unknown op: {}", op));
  operation_ = start(context_, request, [this](absl::StatusOr<std::string> line) {
    Respond(std::move(line));
    // An answer that came later finds the loop of Proceed left. From within it, one that comes at
    // once goes on there.
    if (!proceeding_) Proceed();
  });
}

void JsonConnection::Respond(absl::StatusOr<std::string> line) {
  std::string text = line.ok() ? *std::move(line)
                               : TextOf(Response{{"error", std::string(Message(line.status()))}});
  text += '\n';
  // A long line is not copied where nothing waits before it.
  if (peer_.queue().empty()) {
    peer_.queue() = std::move(text);
  } else {
    peer_.queue() += text;
  }
  busy_ = false;
  peer_.Flush();
}

}  // namespace ember::agent
