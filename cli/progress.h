#pragma once

#include <chrono>
#include <string>
#include <string_view>

namespace ember::cli {

// Where progress is shown: one line that is rewritten, a line for each step, or nowhere.
enum class ProgressStyle { kLive, kLines, kNone };

// Tells a waiting person on stderr what is going on. Nothing of a live line is left once it ends.
// Not thread-safe.
class Progress {
 public:
  explicit Progress(ProgressStyle style) : style_(style) {}
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  ~Progress() { Clear(); }

  // A step begins: "creating vm 'web'". The same text as before only redraws.
  void Step(std::string_view text);
  // How far the step is: "12M of 80M". Shown on the live line alone.
  void Detail(std::string_view text);
  // Time passes: redraws the elapsed time.
  void Tick();
  // Takes the live line away, e.g. before something else is printed. Step brings it back.
  void Clear();

 private:
  using Clock = std::chrono::steady_clock;
  void Draw();

  const ProgressStyle style_;
  const Clock::time_point start_ = Clock::now();
  std::string text_;
  std::string detail_;
  bool drawn_ = false;
};

}  // namespace ember::cli
