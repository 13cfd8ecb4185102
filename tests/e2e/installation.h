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
  struct Shape {
    std::filesystem::path daemon;           // empty: the built emberhostd
    std::vector<std::string> daemon_words;  // behind the usual ones
    std::string log_level = "debug";
    std::filesystem::path state_dir;  // is there and empty; else a temporary one. Gets no images.
  };

  Installation() : Installation(Shape{}) {}
  explicit Installation(Shape shape);
  Installation(const Installation&) = delete;
  Installation& operator=(const Installation&) = delete;
  ~Installation();

  const std::filesystem::path& state_dir() const { return state_dir_; }
  std::filesystem::path VmDir(const std::string& vm) const { return state_dir_ / "vms" / vm; }

  // Starts emberhostd and waits until it serves. `environment` is laid over the test's own.
  void StartDaemon(std::vector<std::string> environment = {});
  // SIGKILL.
  void KillDaemon();
  // Waits for a daemon that ends by itself.
  ExitStatus AwaitDaemonEnd();
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

  // `vm list` once no VM is in the middle of something: what recovery began goes on while it
  // serves.
  nlohmann::json VmsAtRest() const;

  // Boots a small VM of the prepared image and waits for its agent.
  void CreateVm(const std::string& name, std::vector<std::string> more = {});
  // `ember exec VM -- WORDS` that must end with code 0; its standard output.
  std::string Exec(const std::string& vm, std::vector<std::string> words,
                   std::string input = "") const;

  // The installation's state.db, while no daemon runs.
  int64_t CountRows(const std::string& table) const;

  // Live processes with this installation's tags: machines and what belongs to them.
  std::vector<ProcessIdentity> Tagged() const;

 private:
  bool IsServing() const;
  // On a disk of its own: the state directory's may be full.
  std::filesystem::path LogPath() const { return dir_ / "emberhostd.log"; }

  const Shape shape_;
  TempDir dir_;
  const std::filesystem::path state_dir_;
  std::optional<Process> daemon_;
  std::string installation_id_;  // known once a daemon has run
};

}  // namespace ember::testing
