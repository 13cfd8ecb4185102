#include "cli/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

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
    items_.clear();
  }
  if (style_ == ProgressStyle::kLines && !same) WriteStderr(Printable(text_) + "\n");
  Draw();
}

void Progress::Detail(std::string_view text) {
  detail_ = text;
  Draw();
}

void Progress::Item(std::string_view name, std::string_view what, std::string_view amount) {
  auto item = std::find_if(items_.begin(), items_.end(),
                           [name](const ItemLine& line) { return line.name == name; });
  if (item == items_.end()) item = items_.insert(items_.end(), {std::string(name), "", ""});
  const bool news = item->what != what;
  item->what = what;
  item->amount = amount;
  if (style_ == ProgressStyle::kLines && news) {
    WriteStderr(fmt::format("{} {}\n", Printable(item->what), Printable(item->name)));
  }
  Draw();
}

void Progress::Tick() {
  if (!text_.empty()) Draw();
}

// What takes the drawn lines away and leaves the cursor where the first one began.
std::string Progress::Erased() {
  if (drawn_lines_ == 0) return "";
  std::string erased = "\r";
  if (drawn_lines_ > 1) erased += fmt::format("\x1b[{}A", drawn_lines_ - 1);
  drawn_lines_ = 0;
  return erased + "\x1b[J";
}

void Progress::Draw() {
  if (style_ != ProgressStyle::kLive) return;
  const auto elapsed = absl::FromChrono(Clock::now() - start_);
  std::string line = Printable(text_) + "… " + FormatElapsed(elapsed);
  if (!detail_.empty()) line += "  " + Printable(detail_);
  // A line as wide as the terminal would wrap, and the cursor would no longer find its start; more
  // lines than it has would scroll.
  const WindowSize window = WindowSizeOf(STDERR_FILENO).value_or(WindowSize{});
  const size_t columns = window.columns;
  const size_t room = window.rows > 2 ? window.rows - 2 : 0;
  std::string text = Erased() + "\r\x1b[K" + Cut(std::move(line), columns - 1);
  drawn_lines_ = 1;
  // The latest ones: those before them are done, or as good as.
  for (size_t i = items_.size() - std::min(items_.size(), room); i < items_.size(); ++i) {
    const std::string item = fmt::format("  {}  {}  {}", Printable(items_[i].name),
                                         Printable(items_[i].what), Printable(items_[i].amount));
    text += "\n" + Cut(item, columns - 1);
    ++drawn_lines_;
  }
  WriteStderr(text);
}

void Progress::Clear() {
  if (drawn_lines_ > 0) WriteStderr(Erased());
  text_.clear();
  items_.clear();
}

}  // namespace ember::cli
