#include <fcntl.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "cli/command_line.h"

namespace {

// A standard descriptor that is closed would become whatever is opened next.
void OpenStandardDescriptors() {
  for (int fd = 0; fd <= 2; ++fd) {
    if (::fcntl(fd, F_GETFD) < 0) (void)::open("/dev/null", O_RDWR);
  }
}

}  // namespace

int main(int argc, char** argv) {
  OpenStandardDescriptors();
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  // Everything has been written: leaving without gRPC's shutdown saves milliseconds.
  ::_exit(ember::cli::RunCommandLine(arguments));
}
