#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "cli/client.h"
#include "cli/host_address.h"
#include "cli/progress.h"

namespace ember::cli {

enum class Format { kTable, kJson };

// What can be given to every command.
struct GlobalOptions {
  std::string state_dir;
  std::string host;
  std::string format = "table";
  bool quiet = false;
};

// One run of one command: its global options, its way to the daemon and its output. Results go to
// stdout, notes and progress to stderr. Not thread-safe.
class Invocation {
 public:
  explicit Invocation(GlobalOptions options) : options_(std::move(options)) {}

  Format format() const { return options_.format == "json" ? Format::kJson : Format::kTable; }
  const GlobalOptions& options() const { return options_; }

  // Which daemon is meant. InvalidArgument for a bad address.
  absl::StatusOr<HostAddress> Address() const;
  // Connects to it; an unreachable daemon's error says how to start it.
  absl::StatusOr<std::unique_ptr<Client>> Connect() const;

  // How progress is to be shown here.
  ProgressStyle progress_style() const;

  // A result: kept until Flush.
  void Print(std::string_view text) { out_ += text; }
  // Writes what is kept to stdout.
  absl::Status Flush();
  // A remark for a person, one line; nothing with --quiet. Printed at once.
  void Note(std::string_view text) const;
  void NoteHint(std::string_view text) const;
  // Something is wrong that the result does not show by itself: one line, also with --quiet.
  void Warn(std::string_view text) const;

 private:
  const GlobalOptions options_;
  std::string out_;
};

// Prints "error: …" and, where there is one, "hint: …" on stderr.
void PrintError(const absl::Status& status);

}  // namespace ember::cli
