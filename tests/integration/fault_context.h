#pragma once

#include <cstdint>
#include <filesystem>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "tests/e2e/installation.h"
#include "tests/integration/fault_cases.h"

namespace ember::testing {

// What the table of results counts.
struct Counts {
  int kills = 0;
  int errors = 0;
  int leftovers = 0;
};

// One daemon on a state directory of its own, on which a verb meets a fault.
class FaultContext {
 public:
  // `program`: of the daemon whose fault points are armed.
  explicit FaultContext(const std::filesystem::path& program);

  // Makes what the verb needs, with a daemon that has no fault.
  void Prepare(Verb verb, bool has_disk, bool runs);

  // Runs the verb on a daemon that is armed; answers whether the fault was met.
  bool Meet(Verb verb, std::string_view point, std::string_view what, int pass);

  // Rows, processes, files and the daemon's own check agree. Counts what does not.
  int Leftovers();

  // Files of layers and their rows, which only a daemon that has ended lets us see.
  int LeftLayers();

  // The verb ends as it should when it is asked again: done, or done already.
  void Repeat(Verb verb);

  // Deletes everything and looks at what is left in the tables, the directory and the host.
  int LeftoversAfterDelete();

  const ToolResult& outcome() const { return outcome_; }
  std::string Log() const { return ember_.DaemonLog(); }

 private:
  // The agent is looked for there, since the faulty daemon lies elsewhere.
  static std::vector<std::string> WithPath(std::vector<std::string> more);

  std::vector<std::string> CreateWords(bool start) const;

  // What a guest would have done: so its disk is split, not forked from its image.
  void WriteToDisk();

  size_t LayerFiles() const;

  std::filesystem::path ForwardPath() const { return ember_.state_dir() / "forward.sock"; }
  std::vector<std::string> ForwardWords() const;
  bool IsForwarded() const { return !ember_.Json({"forward", "list"}).empty(); }

  static std::vector<std::string> VolumeWords();
  std::set<std::string> VolumeNames() const;
  std::set<std::string> VolumeFiles() const;
  // What recovery began goes on while the daemon serves.
  bool VolumesAgree() const;
  bool SizesAgree() const;
  static uint64_t VirtualSize(const std::string& disk);

  std::vector<std::string> WordsOf(Verb verb) const;

  bool ReachedGoal(Verb verb) const;

  Installation ember_;
  bool has_disk_ = false;
  bool runs_ = false;
  ToolResult outcome_;
};

// Runs one case from its preparation to a table that is empty again. False when the fault was not
// met.
bool RunFaultCase(const Case& one, std::string_view what, int pass, Counts& counts);

// Tells how a table of cases went.
void ReportFaults(std::string_view title, size_t points, const Counts& counts);

}  // namespace ember::testing
