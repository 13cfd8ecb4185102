#pragma once

#include <string>

namespace ember::agent {

// While it lives, this process goes before those that it starts: they may take all processors and
// all memory of a guest, and it still answers. Quietly does nothing where it has no right to
// (setpriority(2), proc(5)). Threads that were there before it keep their place.
class Precedence {
 public:
  Precedence();
  Precedence(const Precedence&) = delete;
  Precedence& operator=(const Precedence&) = delete;
  ~Precedence();  // back to where it was

  // What a child gives itself again, if it was changed.
  bool changed_nice() const { return changed_nice_; }
  int nice_before() const { return nice_before_; }
  // What stood in /proc/self/oom_score_adj; null when it was not changed. Borrowed.
  const char* oom_score_before() const;

 private:
  int nice_before_ = 0;
  bool changed_nice_ = false;
  std::string oom_score_before_;
  bool changed_oom_score_ = false;
};

}  // namespace ember::agent
