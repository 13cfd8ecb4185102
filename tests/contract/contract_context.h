#pragma once

#include <filesystem>
#include <future>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "backends/hypervisor/backend.h"
#include "base/event_loop.h"
#include "tests/support/temp_dir.h"

namespace ember::testing {

// Where a program that is under test lies: $EMBER_BIN_DIR, else the build's own bin folder.
std::filesystem::path ProgramUnderTest(std::string_view name);

// What a contract case needs of one backend. The machines it makes are ended with it.
class ContractContext {
 public:
  explicit ContractContext(std::string kind);
  ~ContractContext();

  // Why this machine can't run the case; nothing when it can.
  const std::optional<std::string>& why_not() const { return why_not_; }

  hypervisor::Backend& backend() { return *backend_; }
  // A new Backend object, as a daemon that was started again has.
  std::unique_ptr<hypervisor::Backend> SecondDaemon();
  // A backend that lacks the program it starts machines with.
  std::unique_ptr<hypervisor::Backend> BackendWithoutProgram();
  // A backend whose program ends at once, saying "no such wonder" on standard error.
  std::unique_ptr<hypervisor::Backend> BackendWithBrokenProgram();

  // A machine that will boot; another id and directory each time.
  hypervisor::MachineSpec NewSpec();
  std::unique_ptr<hypervisor::Machine> Launch();
  std::unique_ptr<hypervisor::Machine> Launch(const hypervisor::MachineSpec& spec);

  // One attempt.
  absl::StatusOr<UniqueFd> Dial(hypervisor::Machine& machine, uint32_t port,
                                absl::Duration attempt = absl::Seconds(2));
  // Dials port 1024 until it answers, sends {"op":"ping"} and answers with the agent's line.
  absl::StatusOr<std::string> Ping(hypervisor::Machine& machine, absl::Duration limit);
  // Sends one line to port 1024 of an agent that answers, and answers with its line.
  absl::StatusOr<std::string> AskJson(hypervisor::Machine& machine, std::string_view request);

  // The machine's processes that live.
  size_t Processes(const std::string& machine_id) const;
  // What is in a VM's directory beside logs.
  static std::set<std::string> Leftovers(const std::filesystem::path& dir);

  // Long enough for a boot under emulation on a busy host.
  static Cancellation Soon() { return Cancellation::After(absl::Seconds(60)); }

 private:
  std::unique_ptr<hypervisor::Backend> MakeBackend(const std::filesystem::path& program);
  std::filesystem::path DefaultProgram() const;

  const std::string kind_;
  std::optional<std::string> why_not_;
  TempDir dir_;
  std::unique_ptr<EventLoop> io_;
  std::unique_ptr<hypervisor::Backend> backend_;
  int machines_ = 0;
  std::string installation_;
};

}  // namespace ember::testing
