#include <csignal>
#include <string>
#include <utility>

#include "base/status.h"
#include "base/status_macros.h"
#include "guest-agent/environment.h"
#include "guest-agent/execution.h"
#include "guest-agent/json/operation.h"
#include "guest-agent/json/request.h"

namespace ember::agent {
namespace {

// What one command may write to both streams together, in bytes: the response is one line in
// memory.
constexpr size_t kMaxOutput = size_t{64} << 20;

std::string ResultOf(int code, std::string out, std::string err) {
  return TextOf({{"exit_code", code}, {"stdout", std::move(out)}, {"stderr", std::move(err)}});
}

// What the agent's own environment lacks (process 1 has next to none) is filled in.
absl::StatusOr<ProcessSpec> SpecOf(const nlohmann::json& request) {
  ASSIGN_OR_RETURN(std::string command, RequiredString(request, "command"));
  ASSIGN_OR_RETURN(const auto overlay, OptionalStrings(request, "env"));
  Environment environment = OwnEnvironment();
  environment.emplace("PATH", kDefaultPath);
  for (const auto& [name, value] : overlay) environment[name] = value;

  ProcessSpec spec;
  auto words = ToWords(environment);
  if (!words.ok()) return InvalidArgument("exec: {}", Message(words.status()));
  spec.env = *std::move(words);
  spec.path = environment["PATH"];
  spec.argv = {"sh", "-c", std::move(command)};
  spec.input = InputSource::kNull;
  return spec;
}

// One `sh -c` whose output is collected.
class ExecOperation : public Operation {
 public:
  explicit ExecOperation(Answer answer) : answer_(std::move(answer)) {}

  absl::Status Start(const Context& context, const ProcessSpec& spec) {
    ASSIGN_OR_RETURN(
        execution_,
        Execution::Start(context.loop, context.children, context.spawner, spec,
                         {.output = [this](OutputStream stream,
                                           std::string_view bytes) { OnOutput(stream, bytes); },
                          .input_consumed = [](size_t) {},
                          .ended = [this](const ExitStatus& exit) { OnEnded(exit); }}));
    return absl::OkStatus();
  }

 private:
  void OnOutput(OutputStream stream, std::string_view bytes) {
    if (too_much_) return;
    if (out_.size() + err_.size() + bytes.size() > kMaxOutput) {
      too_much_ = true;
      execution_->Signal(SIGKILL);
      return;
    }
    (stream == OutputStream::kOut ? out_ : err_).append(bytes);
  }

  void OnEnded(const ExitStatus& exit) {
    const Answer answer = std::move(answer_);
    if (too_much_) {
      answer(ResourceExhausted("exec: the command wrote more than {} bytes and was killed",
                               kMaxOutput));
    } else {
      answer(ResultOf(exit.code.value_or(-1), std::move(out_), std::move(err_)));
    }
  }

  Answer answer_;
  std::string out_;
  std::string err_;
  bool too_much_ = false;
  std::unique_ptr<Execution> execution_;
};

}  // namespace

std::unique_ptr<Operation> StartExec(const Context& context, const nlohmann::json& request,
                                     Answer answer) {
  const auto spec = SpecOf(request);
  if (!spec.ok()) {
    answer(spec.status());
    return nullptr;
  }
  auto operation = std::make_unique<ExecOperation>(answer);
  if (const absl::Status started = operation->Start(context, *spec); !started.ok()) {
    answer(ResultOf(-1, "", std::string(Message(started))));
    return nullptr;
  }
  return operation;
}

}  // namespace ember::agent
