#include "cli/progress.h"

#include <unistd.h>

#include "absl/time/time.h"
#include "cli/duration.h"
#include "cli/printable.h"
#include "cli/standard_streams.h"
#include "cli/terminal.h"

namespace ember::cli {
namespace {

// Cuts printable text to `columns` code points.
std::string Cut(std::string text, size_t columns) {
  size_t seen = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool starts_character = (static_cast<unsigned char>(text[i]) & 0xC0) != 0x80;
    if (starts_character && seen++ == columns) return text.substr(0, i);
  }
  return text;
}

}  // namespace

void Progress::Step(std::string_view text) {
  const bool same = text == text_;
  if (!same) {
    text_ = text;
    detail_.clear();
  }
  if (style_ == ProgressStyle::kLines && !same) WriteStderr(Printable(text_) + "\n");
  Draw();
}

void Progress::Detail(std::string_view text) {
  detail_ = text;
  Draw();
}

void Progress::Tick() {
  if (!text_.empty()) Draw();
}

void Progress::Draw() {
  if (style_ != ProgressStyle::kLive) return;
  const auto elapsed = absl::FromChrono(Clock::now() - start_);
  std::string line = Printable(text_) + "… " + FormatElapsed(elapsed);
  if (!detail_.empty()) line += "  " + Printable(detail_);
  // A line as wide as the terminal would wrap, and \r would no longer reach its start.
  const size_t columns = WindowSizeOf(STDERR_FILENO).value_or(WindowSize{}).columns;
  WriteStderr("\r\x1b[K" + Cut(std::move(line), columns - 1));
  drawn_ = true;
}

void Progress::Clear() {
  if (drawn_) WriteStderr("\r\x1b[K");
  drawn_ = false;
  text_.clear();
}

}  // namespace ember::cli
