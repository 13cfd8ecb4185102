#include "backends/images/line_reporter.h"

namespace ember::images {
namespace {

// A tool that prints no line's end must not fill our memory.
constexpr size_t kMostLine = 4096;

}  // namespace

void LineReporter::Add(std::string_view text) {
  for (const char c : text) {
    // Tools rewrite a line of progress after a carriage return.
    if (c == '\n' || c == '\r') {
      Take();
    } else if (partial_.size() < kMostLine) {
      partial_ += c;
    }
  }
}

void LineReporter::Take() {
  std::string line = std::exchange(partial_, {});
  while (line.ends_with(' ')) line.pop_back();
  if (line.empty()) return;
  Report(sink_, {stage_, line});
  const std::string_view start = std::string_view(line).substr(0, 5);
  if (start == "Error" || start == "error" || start == "ERROR") error_ = line;
  line_ = std::move(line);
}

}  // namespace ember::images
