#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace ember::images {

// One step of a long operation, for a person who waits.
struct Progress {
  std::string stage;    // one word: "downloading", "unpacking", "writing", "hashing", "installing"
  std::string message;  // one line
  uint64_t done = 0;    // bytes; 0 when not known
  uint64_t total = 0;   // bytes; 0 when not known
  std::string item =
      {};  // what of several things at once: a layer's short digest; empty: the whole

  friend bool operator==(const Progress&, const Progress&) = default;
};

// Where progress goes; called on the thread that works. Empty: nowhere.
using ProgressSink = std::function<void(const Progress&)>;

// Reports one step, if anybody listens.
inline void Report(const ProgressSink& sink, const Progress& progress) {
  if (sink) sink(progress);
}

}  // namespace ember::images
