#include "tests/cli/ember_program.h"

#include <fcntl.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <csignal>

#include "base/socket.h"
#include "tests/support/status_matchers.h"

namespace ember::testing {
namespace {

struct Pipe {
  UniqueFd read;
  UniqueFd write;
};

Pipe MakePipe() {
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

}  // namespace

RunningEmber::~RunningEmber() {
  (void)process_.Signal(SIGKILL);  // has usually ended
  (void)process_.Wait(Cancellation::After(absl::Seconds(5)));
}

std::string RunningEmber::ReadUntil(std::string_view text) {
  const Cancellation patience = Cancellation::After(absl::Seconds(10));
  while (seen_.find(text) == std::string::npos) {
    if (!patience.WaitReadable(output.get(), "ember's output").ok()) break;
    char piece[4096];
    const ssize_t got = ::read(output.get(), piece, sizeof piece);
    if (got <= 0) break;
    seen_.append(piece, static_cast<size_t>(got));
  }
  return seen_;
}

void RunningEmber::Write(std::string_view bytes) {
  REQUIRE(::write(input.get(), bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
}

int RunningEmber::Wait() {
  const auto exit = process_.Wait(Cancellation::After(absl::Seconds(20)));
  return exit.ok() ? exit->code.value_or(-1) : -1;
}

EmberContext::EmberContext(Daemon daemon) : program(EMBER_BINARY) {
  env_ = {{"PATH", "/usr/bin:/bin"},
          {"HOME", dir_.path()},
          {"EMBER_HOST", "unix:" + socket().string()}};
  if (daemon == Daemon::kRunning) host_.Start(socket());
}

SpawnOptions EmberContext::OptionsFor(std::vector<std::string> arguments) const {
  SpawnOptions options;
  options.argv = {program.string()};
  options.argv.insert(options.argv.end(), arguments.begin(), arguments.end());
  options.env.emplace();
  for (const auto& [name, value] : env_) options.env->push_back(name + "=" + value);
  return options;
}

ProgramResult EmberContext::Run(std::vector<std::string> arguments, std::string input) {
  const SpawnOptions spawn = OptionsFor(std::move(arguments));
  const ToolOptions tool{.argv = spawn.argv, .env = spawn.env, .input = std::move(input)};
  const ToolResult result = ValueOf(RunTool(tool, Cancellation::After(absl::Seconds(30))));
  return {result.exit.code.value_or(-1), result.out, result.err};
}

RunningEmber EmberContext::Start(std::vector<std::string> arguments) {
  Pipe in = MakePipe();
  RunningEmber running = StartWithInput(std::move(arguments), in.read.get());
  running.input = std::move(in.write);
  return running;
}

RunningEmber EmberContext::StartWithInput(std::vector<std::string> arguments, int stdin_fd) {
  Pipe out = MakePipe();
  SpawnOptions options = OptionsFor(std::move(arguments));
  options.stdin_fd = stdin_fd;
  options.stdout_fd = out.write.get();
  RunningEmber running(ValueOf(Spawn(options)));
  running.output = std::move(out.read);
  return running;
}

RunningEmber EmberContext::StartOnTerminal(std::vector<std::string> arguments, int rows,
                                           int columns) {
  int master = -1;
  int slave = -1;
  const winsize size{static_cast<unsigned short>(rows), static_cast<unsigned short>(columns), 0, 0};
  REQUIRE(::openpty(&master, &slave, nullptr, nullptr, &size) == 0);
  const UniqueFd terminal(slave);
  RunningEmber running = [&] {
    SpawnOptions options = OptionsFor(std::move(arguments));
    options.stdin_fd = options.stdout_fd = options.stderr_fd = slave;
    return RunningEmber(ValueOf(Spawn(options)));
  }();
  running.input.Reset(master);
  running.output.Reset(::fcntl(master, F_DUPFD_CLOEXEC, 0));
  return running;
}

int EmberContext::RunOnFiles(std::vector<std::string> arguments, const std::filesystem::path& in,
                             const std::filesystem::path& out) {
  const UniqueFd input(::open(in.c_str(), O_RDONLY | O_CLOEXEC));
  const UniqueFd output(::open(out.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  SpawnOptions options = OptionsFor(std::move(arguments));
  options.stdin_fd = input.get();
  options.stdout_fd = output.get();
  Process process = ValueOf(Spawn(options));
  return ValueOf(process.Wait(Cancellation::After(absl::Seconds(60)))).code.value_or(-1);
}

void EmberContext::AddVm(const std::string& name) {
  v1::Vm vm;
  vm.set_name(name);
  vm.set_state(v1::RUNNING);
  vm.set_agent(v1::READY);
  vm.set_image("busybox");
  vm.set_vcpus(1);
  vm.set_memory_mib(512);
  vm.set_disk_bytes(uint64_t{8} << 30);
  vm.set_guest_cid(3);
  host_.Add(vm);
}

}  // namespace ember::testing
