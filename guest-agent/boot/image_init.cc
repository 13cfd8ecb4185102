#include "guest-agent/boot/image_init.h"

#include <sys/stat.h>
#include <unistd.h>

namespace ember::agent {
namespace {

bool IsProgram(const std::string& path) {
  struct stat status {};
  return stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode) &&
         access(path.c_str(), X_OK) == 0;
}

}  // namespace

std::optional<std::string> FindImageInit(const std::string& wanted) {
  if (!wanted.empty() && IsProgram(wanted)) return wanted;
  for (const char* usual : {"/sbin/init", "/etc/init", "/bin/init", "/lib/systemd/systemd"}) {
    if (IsProgram(usual)) return usual;
  }
  return std::nullopt;
}

}  // namespace ember::agent
