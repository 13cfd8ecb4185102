#include "guest-agent/guest_identity.h"

#include <unistd.h>

#include <array>
#include <cstdlib>
#include <ctime>

#include "base/file.h"

namespace ember::agent {

std::string BootId() { return HostBootId().value_or(""); }

std::string Hostname() {
  std::array<char, 256> name{};
  return gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "";
}

double UptimeSeconds() {
  if (const auto text = ReadFile("/proc/uptime"); text.ok()) {
    char* end = nullptr;
    const double seconds = std::strtod(text->c_str(), &end);
    if (end != text->c_str()) return seconds;
  }
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

}  // namespace ember::agent
