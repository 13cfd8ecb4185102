#pragma once

#include <string>

namespace ember::agent {

// While it lives, this process is among the last that the kernel ends when a guest's memory runs
// out (proc(5), oom_score_adj): what takes the memory goes first, and the agent still answers.
// Quietly does nothing where it has no right to.
class OomProtection {
 public:
  OomProtection();
  OomProtection(const OomProtection&) = delete;
  OomProtection& operator=(const OomProtection&) = delete;
  ~OomProtection();  // back to what it was

  // What stood in /proc/self/oom_score_adj, for a child to write there again; null when it was not
  // changed. Borrowed.
  const char* score_before() const;

 private:
  std::string score_before_;
  bool changed_ = false;
};

}  // namespace ember::agent
