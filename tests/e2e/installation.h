#pragma once

#include <nlohmann/json.hpp>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/subprocess.h"
#include "tests/support/temp_dir.h"

namespace ember::testing {

// The kernel and images that tests on real VMs boot (EMBER_TEST_STATE, see docs/testing.md);
// nothing where they were not prepared.
std::optional<std::filesystem::path> PreparedState();

// An installation of the built programs on a state directory of its own, with the prepared kernel
// and image "busybox". Everything that it started is gone when it is destroyed, whatever the test
// did.
class Installation {
 public:
  Installation();
  Installation(const Installation&) = delete;
  Installation& operator=(const Installation&) = delete;
  ~Installation();

  const std::filesystem::path& state_dir() const { return dir_.path(); }
  std::filesystem::path VmDir(const std::string& vm) const { return dir_.path() / "vms" / vm; }

  // Starts emberhostd and waits until it serves. `environment` is laid over the test's own.
  void StartDaemon(std::vector<std::string> environment = {});
  // SIGKILL.
  void KillDaemon();
  // SIGTERM; the exit status, which must come within 10 s.
  ExitStatus StopDaemon();
  const Process& daemon() const { return *daemon_; }
  std::string DaemonLog() const;

  // Runs `ember WORDS` on this installation.
  ToolResult Ember(std::vector<std::string> words, std::string input = "") const;
  // The same, as the options of a tool: for tests that run several at once.
  ToolOptions EmberTool(std::vector<std::string> words) const;
  // Runs it and expects exit code 0; its standard output.
  std::string EmberOk(std::vector<std::string> words, std::string input = "") const;
  nlohmann::json Json(std::vector<std::string> words) const;

  // Boots a small VM of the prepared image and waits for its agent.
  void CreateVm(const std::string& name, std::vector<std::string> more = {});
  // `ember exec VM -- WORDS` that must end with code 0; its standard output.
  std::string Exec(const std::string& vm, std::vector<std::string> words,
                   std::string input = "") const;

  // Live processes with this installation's tags: machines and what belongs to them.
  std::vector<ProcessIdentity> Tagged() const;

 private:
  TempDir dir_;
  std::optional<Process> daemon_;
  std::string installation_id_;  // known once a daemon has run
};

}  // namespace ember::testing
