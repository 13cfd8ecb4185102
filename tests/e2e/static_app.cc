// A program that needs nothing of its image, not even a shell: what a distroless image holds.
//
//   serve       says where it runs and as whom, then waits for SIGUSR1, SIGINT or SIGTERM and says
//   so env NAME    prints a variable id          prints user and group cat FILE    prints a file
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace {

int Serve() {
  char folder[4096];
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGUSR1, SIGINT, SIGTERM}) sigaddset(&set, signal);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  const char* mode = getenv("MODE");
  std::printf("serving as %u in %s with MODE=%s\n", getuid(),
              getcwd(folder, sizeof(folder)) != nullptr ? folder : "?",
              mode != nullptr ? mode : "");
  std::fflush(stdout);
  int signal = 0;
  sigwait(&set, &signal);
  // On disk: the output goes with the machine.
  if (FILE* file = std::fopen("ended", "w"); file != nullptr) {
    std::fprintf(file, "signal %d\n", signal);
    std::fflush(file);
    fsync(fileno(file));
    std::fclose(file);
  }
  return 0;
}

int Cat(const char* path) {
  FILE* file = std::fopen(path, "r");
  if (file == nullptr) return std::perror(path), 1;
  for (int c = std::fgetc(file); c != EOF; c = std::fgetc(file)) std::putchar(c);
  std::fclose(file);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view verb = argc > 1 ? argv[1] : "";
  if (verb == "serve") return Serve();
  if (verb == "id") return std::printf("%u:%u\n", getuid(), getgid()), 0;
  if (verb == "cat" && argc > 2) return Cat(argv[2]);
  if (verb == "env" && argc > 2) {
    const char* value = getenv(argv[2]);
    return std::printf("%s\n", value != nullptr ? value : ""), 0;
  }
  return 2;
}
