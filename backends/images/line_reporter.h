#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "backends/images/progress.h"

namespace ember::images {

// Turns what a tool prints into progress, a line at a time, and remembers its last words, which are
// what a failure is told with.
class LineReporter {
 public:
  LineReporter(ProgressSink sink, std::string stage)
      : sink_(std::move(sink)), stage_(std::move(stage)) {}

  void Add(std::string_view text);

  // The last line that is not blank; of lines that begin with "Error" the last of those.
  const std::string& last_words() const { return error_.empty() ? line_ : error_; }

 private:
  void Take();

  const ProgressSink sink_;
  const std::string stage_;
  std::string partial_;  // a line that is not complete yet
  std::string line_;
  std::string error_;
};

}  // namespace ember::images
