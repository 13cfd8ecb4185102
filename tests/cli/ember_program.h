#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/subprocess.h"
#include "tests/cli/fake_host.h"
#include "tests/support/temp_dir.h"

namespace ember::testing {

struct ProgramResult {
  int code = -1;
  std::string out;
  std::string err;
};

// `ember` with its three standard descriptors as pipes, or on one terminal. Killed with the object.
class RunningEmber {
 public:
  explicit RunningEmber(Process process) : process_(std::move(process)) {}
  RunningEmber(RunningEmber&&) = default;
  ~RunningEmber();

  Process& process() { return process_; }
  // Reads stdout (or the terminal) until `text` has come, for at most 10 s; all that has come.
  std::string ReadUntil(std::string_view text);
  void Write(std::string_view bytes);
  void CloseInput() { input.Reset(); }
  void CloseOutput() { output.Reset(); }
  // Waits for the end, for at most 20 s; the exit code or -1.
  int Wait();

  UniqueFd input;   // the terminal, too, where there is one
  UniqueFd output;  // equal to a duplicate of input on a terminal

 private:
  Process process_;
  std::string seen_;
};

// A fake daemon in a directory of its own, and ember run against it.
class EmberContext {
 public:
  enum class Daemon { kRunning, kAbsent };
  explicit EmberContext(Daemon daemon = Daemon::kRunning);

  FakeHost& host() { return host_; }
  const std::filesystem::path& dir() const { return dir_.path(); }
  std::filesystem::path socket() const { return dir_ / "emberhostd.sock"; }
  // The environment of the programs: nothing but PATH, HOME and what is set here.
  std::map<std::string, std::string>& env() { return env_; }

  // Runs `ember` to its end with `input` on stdin.
  ProgramResult Run(std::vector<std::string> arguments, std::string input = "");
  // Starts it with pipes.
  RunningEmber Start(std::vector<std::string> arguments);
  // Starts it with a pipe as stdout and `stdin_fd`, which is borrowed, as stdin.
  RunningEmber StartWithInput(std::vector<std::string> arguments, int stdin_fd);
  // Starts it with a terminal of `rows` by `columns` as all three.
  RunningEmber StartOnTerminal(std::vector<std::string> arguments, int rows, int columns);
  // Runs it with files as stdin and stdout.
  int RunOnFiles(std::vector<std::string> arguments, const std::filesystem::path& in,
                 const std::filesystem::path& out);

  // Adds a running VM.
  void AddVm(const std::string& name);

  std::filesystem::path program;  // EMBER_BINARY unless a test sets another

 private:
  SpawnOptions OptionsFor(std::vector<std::string> arguments) const;

  TempDir dir_;
  FakeHost host_;
  std::map<std::string, std::string> env_;
};

}  // namespace ember::testing
