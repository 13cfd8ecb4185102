#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/awaited.h"
#include "daemon/exec_session.h"
#include "tests/daemon/host_context.h"

namespace ember::daemon {

// Who asked for a command: collects what it says. Called on `io`; the results are read once the
// end has come, which orders the two.
class CollectingClient : public ExecSession::Client {
 public:
  enum class Taking { kAtOnce, kNever };
  explicit CollectingClient(Taking taking = Taking::kAtOnce) : taking_(taking) {}

  // On `io`, before the session calls anything.
  void Use(const std::shared_ptr<ExecSession>& session) { session_ = session; }

  // Blocks.
  absl::StatusOr<ExecResult> AwaitEnd() { return end_.Wait(HostContext::Soon(), "end of exec"); }
  absl::Status AwaitStart() { return start_.Wait(HostContext::Soon(), "start of exec").status(); }

  std::string out;
  std::string err;
  uint64_t lost = 0;
  StartedProcess started;
  std::atomic<uint64_t> output_bytes{0};
  std::atomic<uint64_t> credit{0};
  std::atomic<int> ends{0};

 private:
  void Started(const StartedProcess& process) override {
    started = process;
    credit = process.stdin_credit;
    started_(Done{});
  }
  void Output(OutputStream stream, std::string_view bytes) override {
    (stream == OutputStream::kStdout ? out : err) += bytes;
    output_bytes += bytes.size();
    Take(bytes.size());
  }
  void Lost(uint64_t bytes) override {
    lost += bytes;
    Take(ExecSession::kNoticeCost);
  }
  void InputCredit(uint64_t bytes) override {
    credit += bytes;
    Take(ExecSession::kNoticeCost);
  }
  void Ended(absl::StatusOr<ExecResult> result) override {
    ++ends;
    ended_(std::move(result));
  }

  void Take(size_t bytes) {
    const auto session = session_.lock();
    if (taking_ == Taking::kAtOnce && session != nullptr) session->OutputTaken(bytes);
  }

  const Taking taking_;
  std::weak_ptr<ExecSession> session_;
  Awaited<Done> start_;
  Awaited<ExecResult> end_;
  Reply<Done> started_ = start_.reply();
  Reply<ExecResult> ended_ = end_.reply();
};

// A VM "web" that runs, and commands in it.
class ExecContext : public HostContext {
 public:
  ExecContext() { REQUIRE_OK(Create("web")); }

  struct Run {
    std::shared_ptr<CollectingClient> client;
    std::shared_ptr<ExecSession> session;
  };

  Run Begin(std::vector<std::string> argv,
            CollectingClient::Taking taking = CollectingClient::Taking::kAtOnce) {
    ExecCommand command;
    command.argv = std::move(argv);
    return BeginWith(std::move(command), taking);
  }
  Run BeginWith(ExecCommand command,
                CollectingClient::Taking taking = CollectingClient::Taking::kAtOnce) {
    command.vm_name = "web";
    const auto start = [this, &command](const std::shared_ptr<CollectingClient>& client) {
      Awaited<std::shared_ptr<ExecSession>> answer;
      host().Exec(std::move(command), client, answer.reply());
      return Answer(answer);
    };
    return BeginSession(start, taking);
  }
  // `start` makes the session of a client; `at_once` is called before the session is connected.
  Run BeginSession(
      const std::function<absl::StatusOr<std::shared_ptr<ExecSession>>(
          const std::shared_ptr<CollectingClient>&)>& start,
      CollectingClient::Taking taking = CollectingClient::Taking::kAtOnce,
      const std::function<void(ExecSession&)>& at_once = [](ExecSession&) {}) {
    Run run{std::make_shared<CollectingClient>(taking), nullptr};
    // The loop stands still until the client knows its session.
    testing::Turnstile loop;
    loop.Close();
    io().Post([&loop] { loop.Pass(Soon()).IgnoreError(); });
    auto session = start(run.client);
    // Behind the dial, before its answer.
    if (session.ok()) {
      io().Post([client = run.client, to = *session, at_once] {
        client->Use(to);
        at_once(*to);
      });
    }
    loop.Open();
    run.session = testing::ValueOf(std::move(session));
    On([] {});
    return run;
  }
  // Runs it to its end.
  absl::StatusOr<ExecResult> Exec(std::vector<std::string> argv) {
    return Begin(std::move(argv)).client->AwaitEnd();
  }
  // Calls a session where it lives.
  void On(std::function<void()> work) {
    Awaited<Done> done;
    io().Post([&work, reply = done.reply()]() mutable {
      work();
      reply(Done{});
    });
    REQUIRE_OK(Answer(done));
  }
};

}  // namespace ember::daemon
