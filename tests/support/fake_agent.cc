#include "tests/support/fake_agent.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <utility>

#include "base/check.h"
#include "base/tree/tar_header.h"

namespace ember::testing {
namespace {

constexpr uint64_t kCredit = 64 << 10;
constexpr uint64_t kGreedyCredit = 64 << 20;
constexpr size_t kFloodFrame = 32 << 10;

std::string Joined(const agent::v1::ExecStart& start) {
  std::string text;
  for (int i = 1; i < start.argv_size(); ++i) text += (i == 1 ? "" : " ") + start.argv(i);
  return text + "\n";
}

}  // namespace

FakeAgent::FakeAgent(EventLoop& loop, UniqueFd fd, AgentMode mode, std::shared_ptr<Guest> guest)
    : loop_(loop), fd_(std::move(fd)), mode_(mode), guest_(std::move(guest)) {}

FakeAgent::~FakeAgent() { Close(); }

std::shared_ptr<FakeAgent> FakeAgent::Serve(EventLoop& loop, UniqueFd fd, AgentMode mode,
                                            std::shared_ptr<Guest> guest) {
  std::shared_ptr<FakeAgent> agent(new FakeAgent(loop, std::move(fd), mode, std::move(guest)));
  agent->self_ = agent;
  EMBER_CHECK(loop.Watch(agent->fd_.get(), EPOLLIN,
                         [raw = agent.get()](uint32_t events) {
                           const auto alive = raw->self_;
                           raw->OnReady(events);
                         })
                  .ok());
  return agent;
}

void FakeAgent::Close() {
  CloseStreams();
  if (!fd_.valid()) return;
  loop_.Forget(fd_.get());
  fd_.Reset();
  self_.reset();
}

void FakeAgent::OnReady(uint32_t events) {
  if ((events & EPOLLOUT) != 0) Flush();
  if (!fd_.valid() || (events & ~uint32_t{EPOLLOUT}) == 0) return;
  std::array<char, 65536> buffer;
  const ssize_t got = recv(fd_.get(), buffer.data(), buffer.size(), 0);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) {
    if (!program_.empty()) ++guest_->hangups;
    return Close();
  }
  reader_.Append({buffer.data(), static_cast<size_t>(got)});
  while (fd_.valid()) {
    const auto next = reader_.Next();
    if (!next.ok()) return Close();
    if (!next->has_value()) return;
    agent::v1::ClientFrame frame;
    if (!frame.ParseFromArray((*next)->data(), static_cast<int>((*next)->size()))) return Close();
    OnFrame(frame);
  }
}

void FakeAgent::OnFrame(const agent::v1::ClientFrame& frame) {
  if (!frame.has_hello()) ++guest_->requests;
  switch (frame.kind_case()) {
    case agent::v1::ClientFrame::kHello:
      return OnHello();
    case agent::v1::ClientFrame::kExecStart:
      return OnExec(frame.exec_start());
    case agent::v1::ClientFrame::kStdinData: {
      if (program_ != "cat") return;
      Print(frame.stdin_data().payload());
      agent::v1::AgentFrame credit;
      credit.mutable_stdin_credit()->set_bytes(frame.stdin_data().payload().size());
      return Send(credit);
    }
    case agent::v1::ClientFrame::kStdinEnd:
      return program_ == "cat" ? Exited(0) : void();
    case agent::v1::ClientFrame::kSignal:
      return OnSignal(frame.signal().number());
    case agent::v1::ClientFrame::kFollowProcess:
      return OnFollow(frame.follow_process());
    case agent::v1::ClientFrame::kSignalProcess:
      return OnSignalProcess(frame.signal_process());
    case agent::v1::ClientFrame::kListProcesses:
      return OnListProcesses();
    case agent::v1::ClientFrame::kReadTree:
      return OnReadTree(frame.read_tree().path());
    case agent::v1::ClientFrame::kWriteTree:
      return OnWriteTree(frame.write_tree().path());
    case agent::v1::ClientFrame::kTreeData:
      guest_->bytes_written += frame.tree_data().payload().size();
      return;
    case agent::v1::ClientFrame::kTreeEnd:
      return SendTreeEnd();
    case agent::v1::ClientFrame::kListDirectory:
      return OnListDirectory();
    case agent::v1::ClientFrame::kShutdown: {
      agent::v1::AgentFrame reply;
      reply.mutable_shutdown_reply();
      Send(reply);
      return guest_->power_off();
    }
    case agent::v1::ClientFrame::kConnectStream:
      return OnConnectStream(frame.connect_stream().address());
    case agent::v1::ClientFrame::kListen:
      return OnListen(frame.listen().address());
    case agent::v1::ClientFrame::kAcceptStream:
      return OnAcceptStream(frame.accept_stream().token());
    case agent::v1::ClientFrame::kOpenDatagrams:
      return OnOpenDatagrams(static_cast<uint16_t>(frame.open_datagrams().udp_port()));
    case agent::v1::ClientFrame::kDatagram: {
      const std::string& payload = frame.datagram().payload();
      send(datagrams_.get(), payload.data(), payload.size(), MSG_NOSIGNAL);
      return;
    }
    case agent::v1::ClientFrame::kGetStats:
      return OnGetStats();
    case agent::v1::ClientFrame::kWaitPort:
      return OnWaitPort(static_cast<uint16_t>(frame.wait_port().tcp_port()));
    case agent::v1::ClientFrame::kSetClock:
      return OnSetClock(frame.set_clock());
    case agent::v1::ClientFrame::kFreezeFilesystems:
      return OnFreeze();
    case agent::v1::ClientFrame::kThaw:
      return OnThaw();
    case agent::v1::ClientFrame::kGrowFilesystem:
      return OnGrow(frame.grow_filesystem());
    default:
      return;
  }
}

void FakeAgent::OnHello() {
  switch (mode_) {
    case AgentMode::kServe:
    case AgentMode::kOlder: {
      agent::v1::AgentFrame reply;
      reply.mutable_hello_reply()->mutable_version()->set_major(1);
      reply.mutable_hello_reply()->set_agent_version("0.0.1");
      if (mode_ == AgentMode::kOlder) return Send(reply);
      for (const char* capability : {"care", "files", "processes", "storage", "streams"}) {
        reply.mutable_hello_reply()->add_capabilities(capability);
      }
      return Send(reply);
    }
    case AgentMode::kGarbage:
      return SendRaw("\xff\xff\xff\xff no frame at all");
    case AgentMode::kCutShort:
      close_when_sent_ = true;
      return SendRaw(std::string("\x40\0\0\0half", 8));
    case AgentMode::kTooOld:
      return Fail(agent::v1::Failure::VERSION, "protocol 1 is not known here");
    case AgentMode::kOff:
    case AgentMode::kSilent:
      return;
  }
}

void FakeAgent::OnExec(const agent::v1::ExecStart& start) {
  if (mode_ != AgentMode::kServe && mode_ != AgentMode::kOlder) return;
  ++guest_->execs;
  const std::string& name = start.argv(0);
  if (name == "missing") return Fail(agent::v1::Failure::NOT_FOUND, "missing: not found");
  if (name == "locked") return Fail(agent::v1::Failure::CANNOT_EXECUTE, "locked: not executable");
  if (name == "stuck") return;
  if (start.has_detach()) {
    agent::v1::AgentFrame frame;
    frame.mutable_exec_started()->set_pid(4711);
    const std::string& tag = start.detach().tag();
    frame.mutable_exec_started()->set_tag(tag.empty() ? "made-up" : tag);
    if (tag == "main") ++guest_->mains;
    close_when_sent_ = true;
    return Send(frame);
  }
  program_ = name;
  Started();
  RunProgram(start);
}

void FakeAgent::RunProgram(const agent::v1::ExecStart& start) {
  if (program_ == "echo") {
    Print(Joined(start));
    return Exited(0);
  }
  if (program_ == "err") {
    agent::v1::AgentFrame frame;
    frame.mutable_stderr_data()->set_payload(Joined(start));
    Send(frame);
    return Exited(0);
  }
  if (program_ == "env") {
    Print(start.env().at(start.argv(1)));
    return Exited(0);
  }
  if (program_ == "exit") return Exited(std::stoi(start.argv(1)));
  if (program_ == "vanish") {
    close_when_sent_ = true;
    return Flush();
  }
  if (program_ == "greedy") return loop_.Rearm(fd_.get(), 0);
  if (program_ != "flood") return;  // cat, sleep and deaf wait
  for (size_t left = std::stoull(start.argv(1)); left > 0;) {
    const size_t size = std::min(left, kFloodFrame);
    Print(std::string(size, 'x'));
    left -= size;
  }
  Exited(0);
}

void FakeAgent::OnSignal(uint32_t number) {
  if (program_.empty() || program_ == "deaf") return;
  agent::v1::AgentFrame frame;
  frame.mutable_exec_exited()->set_signal(number);
  program_.clear();
  close_when_sent_ = true;
  Send(frame);
}

void FakeAgent::OnFollow(const agent::v1::FollowProcess& follow) {
  if (follow.tag() == "main" && guest_->main_signal != 0) {
    agent::v1::AgentFrame started;
    started.mutable_follow_started()->set_pid(4712);
    Send(started);
    return Exited(0);
  }
  if (follow.tag() != "job" && follow.tag() != "shell") {
    return Fail(agent::v1::Failure::NOT_FOUND, "no process has the tag '" + follow.tag() + "'");
  }
  const bool shell = follow.tag() == "shell";
  agent::v1::AgentFrame frame;
  frame.mutable_follow_started()->set_pid(4711);
  frame.mutable_follow_started()->set_tty(shell);
  frame.mutable_follow_started()->set_stdin_credit(shell && follow.attach() ? kCredit : 0);
  Send(frame);
  if (shell) {
    program_ = "cat";
    return;
  }
  Print("kept\n");
  frame.mutable_output_lost()->set_bytes(5);
  Send(frame);
  if (follow.follow()) {
    Print("more\n");
    return Exited(3);
  }
  frame.mutable_follow_ended();
  close_when_sent_ = true;
  Send(frame);
}

void FakeAgent::OnSignalProcess(const agent::v1::SignalProcess& signal) {
  if (signal.tag() == "ended") {
    return Fail(agent::v1::Failure::CANNOT_EXECUTE, "process 'ended' has ended already");
  }
  const bool main = signal.tag() == "main" && guest_->mains > 0;
  if (main) guest_->main_signal = signal.number();
  if (signal.tag() != "job" && !main) return Fail(agent::v1::Failure::NOT_FOUND, "no such process");
  agent::v1::AgentFrame frame;
  frame.mutable_done();
  close_when_sent_ = true;
  Send(frame);
}

void FakeAgent::OnListProcesses() {
  agent::v1::AgentFrame frame;
  agent::v1::Process& process = *frame.mutable_process_list()->add_processes();
  process.set_tag("job");
  process.set_pid(4711);
  process.set_running(true);
  if (guest_->mains > 0) {
    agent::v1::Process& main = *frame.mutable_process_list()->add_processes();
    main.set_tag("main");
    main.set_running(guest_->main_signal == 0);
  }
  close_when_sent_ = true;
  Send(frame);
}

void FakeAgent::OnReadTree(const std::string& path) {
  ++guest_->trees;
  program_ = "tree";
  if (path == "/file") {
    tree::Entry entry;
    entry.name = "file";
    std::string bytes;
    tree::AppendTarHeader(entry, tree::Storage::kPlain, 0, bytes);
    SendTree(bytes + std::string(tree::TarEnd()));
    return SendTreeEnd();
  }
  if (path == "/endless") {
    endless_ = true;
    return Flush();
  }
  if (path == "/vanish") {
    close_when_sent_ = true;
    return SendTree("some of a tree");
  }
  if (path == "/strange") return Print("of no process");
  Fail(agent::v1::Failure::NOT_FOUND, path + ": No such file or directory");
}

void FakeAgent::OnWriteTree(const std::string& path) {
  ++guest_->trees;
  program_ = "tree";
  if (path == "/early") return SendTreeEnd();
  if (path == "/deaf") loop_.Rearm(fd_.get(), 0);
}

void FakeAgent::OnListDirectory() {
  for (int part = 0; part < 3; ++part) {
    agent::v1::AgentFrame frame;
    frame.mutable_file_list()->add_files()->set_name("file-" + std::to_string(part));
    frame.mutable_file_list()->set_last(part == 2);
    close_when_sent_ = part == 2;
    Send(frame);
  }
}

void FakeAgent::SendTree(const std::string& bytes) {
  agent::v1::AgentFrame frame;
  frame.mutable_tree_data()->set_payload(bytes);
  Send(frame);
}

void FakeAgent::SendTreeEnd() {
  agent::v1::AgentFrame frame;
  frame.mutable_tree_end()->set_files(1);
  program_.clear();
  close_when_sent_ = true;
  Send(frame);
}

void FakeAgent::Started() {
  agent::v1::AgentFrame frame;
  frame.mutable_exec_started()->set_pid(4711);
  frame.mutable_exec_started()->set_stdin_credit(program_ == "greedy" ? kGreedyCredit : kCredit);
  Send(frame);
}

void FakeAgent::Print(const std::string& text) {
  agent::v1::AgentFrame frame;
  frame.mutable_stdout_data()->set_payload(text);
  Send(frame);
}

void FakeAgent::Exited(int code) {
  agent::v1::AgentFrame frame;
  frame.mutable_exec_exited()->set_code(code);
  program_.clear();
  close_when_sent_ = true;
  Send(frame);
}

void FakeAgent::Fail(agent::v1::Failure::Reason reason, const std::string& message) {
  agent::v1::AgentFrame frame;
  frame.mutable_failure()->set_reason(reason);
  frame.mutable_failure()->set_message(message);
  close_when_sent_ = true;
  Send(frame);
}

void FakeAgent::Send(const agent::v1::AgentFrame& frame) {
  std::string bytes;
  AppendFrame(frame.SerializeAsString(), bytes);
  SendRaw(bytes);
}

void FakeAgent::SendRaw(const std::string& bytes) {
  out_ += bytes;
  Flush();
}

void FakeAgent::Flush() {
  while (fd_.valid() && (!out_.empty() || endless_)) {
    if (out_.empty()) {
      agent::v1::AgentFrame more;
      more.mutable_tree_data()->set_payload(std::string(kFloodFrame, 'x'));
      AppendFrame(more.SerializeAsString(), out_);
    }
    const size_t chunk = std::min<size_t>(out_.size(), 65536);
    const ssize_t sent = send(fd_.get(), out_.data(), chunk, MSG_NOSIGNAL);
    if (sent < 0 && (errno == EAGAIN || errno == EINTR)) break;
    if (sent < 0) return Close();
    guest_->bytes_sent += static_cast<uint64_t>(sent);
    out_.erase(0, static_cast<size_t>(sent));
  }
  if (!fd_.valid()) return;
  if (out_.empty() && close_when_sent_) return Close();
  loop_.Rearm(fd_.get(), out_.empty() ? EPOLLIN : EPOLLIN | EPOLLOUT);
}

}  // namespace ember::testing
