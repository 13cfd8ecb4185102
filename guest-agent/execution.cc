#include "guest-agent/execution.h"

#include <signal.h>
#include <sys/ioctl.h>
#include <termios.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "base/status.h"
#include "base/status_macros.h"

namespace ember::agent {
namespace {

constexpr size_t kReadSize = size_t{64} << 10;
// A terminal's buffers are not all counted by FIONREAD; they hold less than this.
constexpr size_t kLeastBudget = size_t{128} << 10;

}  // namespace

absl::StatusOr<std::unique_ptr<Execution>> Execution::Start(EventLoop& loop, Children& children,
                                                            Spawner& spawner,
                                                            const ProcessSpec& spec,
                                                            Events events) {
  ASSIGN_OR_RETURN(SpawnedProcess process, spawner.Spawn(spec));
  return Adopt(loop, children, std::move(process),
               spec.terminal.has_value() ? StreamKind::kTerminal : StreamKind::kPipes,
               std::move(events));
}

absl::StatusOr<std::unique_ptr<Execution>> Execution::Adopt(EventLoop& loop, Children& children,
                                                            SpawnedProcess process, StreamKind kind,
                                                            Events events) {
  std::unique_ptr<Execution> execution(new Execution(loop, children, std::move(events)));
  execution->pid_ = process.pid;
  execution->terminal_ = kind == StreamKind::kTerminal;
  children.Watch(process.pid, [e = execution.get()](ExitStatus exit) { e->OnExit(exit); });
  // From here on the destructor undoes it all.
  RETURN_IF_ERROR(execution->Watch(std::move(process)));
  return execution;
}

absl::Status Execution::Watch(SpawnedProcess process) {
  input_ = std::move(process.input);
  for (auto [source, fd] : {std::pair(&out_, &process.output), std::pair(&err_, &process.error)}) {
    if (!fd->valid()) continue;
    source->fd = std::move(*fd);
    RETURN_IF_ERROR(
        loop_.Watch(source->fd.get(), EPOLLIN, [this, s = source](uint32_t) { ReadFrom(*s); }));
  }
  if (!input_.valid()) return absl::OkStatus();
  return loop_.Watch(input_.get(), 0, [this](uint32_t) { FlushInput(); });
}

Execution::~Execution() {
  if (!exit_.has_value()) children_.HangUp(pid_, ForegroundGroup());
  CloseSource(out_);
  CloseSource(err_);
  if (input_.valid()) loop_.Forget(input_.get());
}

bool Execution::ReadFrom(Source& source) {
  if (!source.fd.valid() || source.budget == 0) return false;
  std::array<char, kReadSize> buffer;
  const size_t wanted = std::min(buffer.size(), source.budget);
  const ssize_t got = read(source.fd.get(), buffer.data(), wanted);
  if (got < 0 && errno == EINTR) return true;
  if (got < 0 && errno == EAGAIN) return false;
  if (got <= 0) {
    // A terminal says EIO when its last user is gone.
    CloseSource(source);
    return false;
  }
  if (exit_.has_value()) source.budget -= static_cast<size_t>(got);
  events_.output(source.stream, {buffer.data(), static_cast<size_t>(got)});
  return true;
}

void Execution::CloseSource(Source& source) {
  if (!source.fd.valid()) return;
  loop_.Forget(source.fd.get());
  source.fd.Reset();
}

void Execution::WriteInput(std::string_view bytes) {
  if (bytes.empty()) return;
  if (!input_.valid()) {
    events_.input_consumed(bytes.size());
    return;
  }
  last_input_ = bytes.back();
  const bool idle = input_queue_.empty();
  input_queue_.append(bytes);
  if (idle) FlushInput();
}

void Execution::FlushInput() {
  size_t consumed = 0;
  while (input_done_ < input_queue_.size()) {
    const ssize_t written =
        write(input_.get(), input_queue_.data() + input_done_, input_queue_.size() - input_done_);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0 && errno == EAGAIN) break;
    if (written < 0) {
      consumed += input_queue_.size() - input_done_;
      CloseInput();
      break;
    }
    input_done_ += static_cast<size_t>(written);
    consumed += static_cast<size_t>(written);
  }
  if (input_done_ == input_queue_.size()) {
    input_queue_.clear();
    input_done_ = 0;
  } else if (input_done_ > input_queue_.size() / 2) {
    input_queue_.erase(0, input_done_);
    input_done_ = 0;
  }
  if (input_.valid()) {
    // A terminal goes on after an end of file: somebody else may come and type.
    if (terminal_ && input_queue_.empty()) input_ending_ = false;
    if (input_queue_.empty() && input_ending_) {
      CloseInput();
    } else {
      loop_.Rearm(input_.get(), input_queue_.empty() ? 0U : uint32_t{EPOLLOUT});
    }
  }
  if (consumed > 0) events_.input_consumed(consumed);
}

void Execution::EndInput() {
  if (input_ending_ || !input_.valid()) return;
  input_ending_ = true;
  if (terminal_) {
    termios settings{};
    if (tcgetattr(input_.get(), &settings) != 0) return;
    // In the middle of a line the first one only ends the read under way.
    input_queue_.append(last_input_ == '\n' ? 1 : 2, static_cast<char>(settings.c_cc[VEOF]));
  }
  FlushInput();
}

void Execution::CloseInput() {
  loop_.Forget(input_.get());
  input_.Reset();
  input_queue_.clear();
  input_done_ = 0;
}

void Execution::HoldOutput() {
  if (std::exchange(held_, true)) return;
  if (out_.fd.valid()) loop_.Rearm(out_.fd.get(), 0);
  if (err_.fd.valid()) loop_.Rearm(err_.fd.get(), 0);
}

void Execution::ReleaseOutput() {
  if (!std::exchange(held_, false)) return;
  if (out_.fd.valid()) loop_.Rearm(out_.fd.get(), EPOLLIN);
  if (err_.fd.valid()) loop_.Rearm(err_.fd.get(), EPOLLIN);
  if (exit_.has_value()) Drain();
}

void Execution::Resize(TerminalSize size) {
  if (!terminal_ || !out_.fd.valid()) return;
  const winsize window{size.rows, size.columns, 0, 0};
  // The kernel tells the foreground group. It can't fail on an open terminal.
  ioctl(out_.fd.get(), TIOCSWINSZ, &window);
}

pid_t Execution::ForegroundGroup() const {
  pid_t group = 0;
  if (terminal_ && out_.fd.valid() && ioctl(out_.fd.get(), TIOCGPGRP, &group) != 0) return 0;
  return group;
}

void Execution::Signal(int number, SignalTarget target) {
  if (exit_.has_value()) return;
  // Not reaped yet, so pid and group are still ours; a group that has just become empty needs no
  // signal.
  if (target == SignalTarget::kLeader) {
    kill(pid_, number);
    return;
  }
  const pid_t foreground = target == SignalTarget::kForeground ? ForegroundGroup() : 0;
  kill(-(foreground > 1 ? foreground : pid_), number);
}

SpawnedProcess Execution::Release() {
  children_.Release(pid_);
  for (Source* source : {&out_, &err_}) {
    if (source->fd.valid()) loop_.Forget(source->fd.get());
  }
  if (input_.valid()) loop_.Forget(input_.get());
  exit_.emplace();  // the destructor has nothing to hang up
  return {pid_, std::move(input_), std::move(out_.fd), std::move(err_.fd)};
}

void Execution::OnExit(ExitStatus exit) {
  exit_ = exit;
  for (Source* source : {&out_, &err_}) {
    if (!source->fd.valid()) continue;
    int waiting = 0;
    if (ioctl(source->fd.get(), FIONREAD, &waiting) != 0) waiting = 0;
    source->budget = std::max(static_cast<size_t>(waiting), kLeastBudget);
  }
  Drain();
}

void Execution::Drain() {
  for (Source* source : {&err_, &out_}) {
    while (!held_ && ReadFrom(*source)) {
    }
    if (held_) return;
  }
  CloseSource(out_);
  CloseSource(err_);
  const auto ended = std::move(events_.ended);
  ended(*exit_);
}

}  // namespace ember::agent
