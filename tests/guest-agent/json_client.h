#pragma once

#include <sys/socket.h>

#include <array>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/guest-agent/agent_process.h"

namespace ember::testing {

// One connection of the JSON-lines protocol.
class JsonClient {
 public:
  explicit JsonClient(const AgentProcess& agent) : socket_(agent.DialJson()) {}

  void SendRaw(std::string_view bytes) { REQUIRE_OK(WriteFully(socket_.get(), bytes, Patience())); }
  void Send(const nlohmann::json& request) { SendRaw(request.dump() + "\n"); }

  // The next line as it came, without its end; empty at the end of the connection.
  std::string ReceiveLine() {
    size_t scanned = 0;
    while (true) {
      if (const size_t end = received_.find('\n', scanned); end != std::string::npos) {
        std::string line = received_.substr(0, end);
        received_.erase(0, end + 1);
        return line;
      }
      scanned = received_.size();
      REQUIRE_OK(Patience().WaitReadable(socket_.get(), "agent"));
      std::array<char, 65536> buffer;
      const ssize_t got = recv(socket_.get(), buffer.data(), buffer.size(), 0);
      if (got <= 0) return "";
      received_.append(buffer.data(), static_cast<size_t>(got));
    }
  }
  nlohmann::json Receive() { return nlohmann::json::parse(ReceiveLine()); }
  nlohmann::json Call(const nlohmann::json& request) {
    Send(request);
    return Receive();
  }
  // What a command wrote to its standard output.
  std::string Shell(const std::string& command);
  // The error that a request gets.
  std::string Refusal(const nlohmann::json& request) {
    const nlohmann::json reply = Call(request);
    INFO(reply.dump());
    REQUIRE(reply.size() == 1);
    return reply.at("error");
  }
  std::string ErrorOf(std::string_view line) {
    SendRaw(std::string(line) + "\n");
    return Receive().value("error", "");
  }
  void EndSending() { REQUIRE(shutdown(socket_.get(), SHUT_WR) == 0); }
  void Close() { socket_.Reset(); }

 private:
  UniqueFd socket_;
  std::string received_;
};

inline nlohmann::json ExecRequest(const std::string& command) {
  return {{"op", "exec"}, {"command", command}};
}

inline std::string JsonClient::Shell(const std::string& command) {
  const nlohmann::json reply = Call(ExecRequest(command));
  INFO(reply.dump());
  REQUIRE(reply.at("exit_code") == 0);
  return reply.at("stdout");
}

}  // namespace ember::testing
