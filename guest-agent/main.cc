#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "guest-agent/boot/boot.h"
#include "guest-agent/options.h"
#include "guest-agent/serve.h"

namespace {

using ember::agent::Options;
using ember::agent::Task;

int Run(const Options& options) {
  switch (options.task) {
    case Task::kShowVersion:
      fmt::print("emberd {}\n", EMBER_VERSION);
      return 0;
    case Task::kShowHelp:
      fmt::print("{}", ember::agent::HelpText());
      return 0;
    case Task::kServe:
      break;
  }
  return ember::agent::Serve(options);
}

// Process 1 of a VM gets words of the kernel's command line that are no options. Process 1 of a
// container is told where to serve.
bool BootsGuest(const std::vector<std::string_view>& words) {
  return getpid() == 1 && std::none_of(words.begin(), words.end(), [](std::string_view word) {
           return word.starts_with("--uds") || word == "--help" || word == "--version";
         });
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string_view> words(argv + 1, argv + argc);
  if (BootsGuest(words)) ember::agent::BootGuest(argv);
  const auto options = ember::agent::ParseOptions(words);
  if (options.ok()) return Run(*options);
  fmt::print(stderr, "error: {}\nhint: {}\n", ember::Message(options.status()),
             ember::HintOf(options.status()).value_or("see 'emberd --help'"));
  return 2;
}
