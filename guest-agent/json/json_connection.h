#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/unique_fd.h"
#include "guest-agent/connection.h"
#include "guest-agent/context.h"
#include "guest-agent/json/line_reader.h"
#include "guest-agent/json/operation.h"
#include "guest-agent/peer_stream.h"

namespace ember::agent {

// One connection of the JSON-lines protocol: requests are answered one after the other, in order;
// while one is worked on the next ones wait in the socket. A client that closes abandons its
// request; one that only ends its sending still gets its answers. Lives on the event loop.
class JsonConnection : public Connection {
 public:
  // Serves `socket`; calls `over` once when there is nothing more to do, never from within Create.
  static absl::StatusOr<std::unique_ptr<Connection>> Create(const Context& context, UniqueFd socket,
                                                            std::function<void()> over);

 private:
  JsonConnection(const Context& context, UniqueFd socket, std::function<void()> over);
  // Works on the lines that are there, until one takes time or the client must read first.
  void Proceed();
  void Handle(std::string_view line);
  void Start(const nlohmann::json& request);
  void Respond(absl::StatusOr<std::string> line);

  const Context context_;
  const std::function<void()> over_;
  PeerStream peer_;
  LineReader lines_;
  std::unique_ptr<Operation> operation_;
  bool busy_ = false;  // a request is not answered yet
  bool input_ended_ = false;
  bool proceeding_ = false;
};

}  // namespace ember::agent
