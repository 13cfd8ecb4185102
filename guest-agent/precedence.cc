#include "guest-agent/precedence.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>

#include "base/unique_fd.h"

namespace ember::agent {
namespace {

// As udev and journald have it, which are missed as much: ahead of everybody, last to be ended.
constexpr int kNice = -15;
constexpr char kOomScore[] = "-900";
constexpr char kOomScoreFile[] = "/proc/self/oom_score_adj";

std::string ReadOomScore() {
  const UniqueFd fd(open(kOomScoreFile, O_RDONLY | O_CLOEXEC));
  char text[16];
  const ssize_t got = fd.valid() ? read(fd.get(), text, sizeof(text)) : -1;
  return got > 0 ? std::string(text, static_cast<size_t>(got)) : std::string();
}

bool WriteOomScore(const std::string& score) {
  const UniqueFd fd(open(kOomScoreFile, O_WRONLY | O_CLOEXEC));
  return fd.valid() &&
         write(fd.get(), score.data(), score.size()) == static_cast<ssize_t>(score.size());
}

}  // namespace

Precedence::Precedence() {
  errno = 0;
  nice_before_ = getpriority(PRIO_PROCESS, 0);
  changed_nice_ = errno == 0 && nice_before_ > kNice && setpriority(PRIO_PROCESS, 0, kNice) == 0;
  oom_score_before_ = ReadOomScore();
  changed_oom_score_ = !oom_score_before_.empty() && WriteOomScore(kOomScore);
}

Precedence::~Precedence() {
  if (changed_nice_) setpriority(PRIO_PROCESS, 0, nice_before_);
  if (changed_oom_score_) WriteOomScore(oom_score_before_);
}

const char* Precedence::oom_score_before() const {
  return changed_oom_score_ ? oom_score_before_.c_str() : nullptr;
}

}  // namespace ember::agent
