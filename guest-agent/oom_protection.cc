#include "guest-agent/oom_protection.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/unique_fd.h"

namespace ember::agent {
namespace {

constexpr char kScore[] = "-900";  // as udev and journald have it, which are missed as much
constexpr char kScoreFile[] = "/proc/self/oom_score_adj";

std::string ReadScore() {
  const UniqueFd fd(open(kScoreFile, O_RDONLY | O_CLOEXEC));
  char text[16];
  const ssize_t got = fd.valid() ? read(fd.get(), text, sizeof(text)) : -1;
  return got > 0 ? std::string(text, static_cast<size_t>(got)) : std::string();
}

bool WriteScore(const std::string& score) {
  const UniqueFd fd(open(kScoreFile, O_WRONLY | O_CLOEXEC));
  return fd.valid() &&
         write(fd.get(), score.data(), score.size()) == static_cast<ssize_t>(score.size());
}

}  // namespace

OomProtection::OomProtection()
    : score_before_(ReadScore()), changed_(!score_before_.empty() && WriteScore(kScore)) {}

OomProtection::~OomProtection() {
  if (changed_) WriteScore(score_before_);
}

const char* OomProtection::score_before() const {
  return changed_ ? score_before_.c_str() : nullptr;
}

}  // namespace ember::agent
