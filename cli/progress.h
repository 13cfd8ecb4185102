#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace ember::cli {

// Where progress is shown: lines that are rewritten, a line for each step, or nowhere.
enum class ProgressStyle { kLive, kLines, kNone };

// Tells a waiting person on stderr what is going on. Nothing of the live lines is left once it
// ends. Not thread-safe.
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
  // One of several things that go on at once within the step, such as a layer: what happens to it
  // and how far that is. Each has a live line below that of the step, up to what the terminal has
  // room for; elsewhere a line whenever something else happens to it.
  void Item(std::string_view name, std::string_view what, std::string_view amount);
  // Time passes: redraws the elapsed time.
  void Tick();
  // Takes the live lines away, e.g. before something else is printed. Step brings them back.
  void Clear();

 private:
  using Clock = std::chrono::steady_clock;
  struct ItemLine {
    std::string name;
    std::string what;
    std::string amount;
  };

  void Draw();
  std::string Erased();

  const ProgressStyle style_;
  const Clock::time_point start_ = Clock::now();
  std::string text_;
  std::string detail_;
  std::vector<ItemLine> items_;  // of the step, in the order of their first mention
  size_t drawn_lines_ = 0;
};

}  // namespace ember::cli
