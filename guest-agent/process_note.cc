#include "guest-agent/process_note.h"

#include <algorithm>

#include "absl/time/clock.h"

namespace ember::agent {
namespace {

constexpr size_t kMostUser = 64;

// At most `size` bytes of a text in UTF-8, without half a character at the end.
std::string_view CutText(std::string_view text, size_t size) {
  if (text.size() <= size) return text;
  while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xC0) == 0x80) --size;
  return text.substr(0, size);
}

std::vector<std::string> CutWords(const std::vector<std::string>& words, size_t room) {
  std::vector<std::string> cut;
  for (const std::string& word : words) {
    if (room == 0) break;
    cut.emplace_back(CutText(word, room));
    room -= std::min(room, word.size() + 1);
  }
  return cut;
}

}  // namespace

ProcessNote ProcessNote::Of(const ProcessSpec& spec, pid_t pid) {
  ProcessNote note;
  note.pid = pid;
  note.argv = CutWords(spec.argv, kMostWords);
  if (spec.account.has_value()) note.user = CutText(spec.account->name, kMostUser);
  note.started_unix_ms = static_cast<uint64_t>(absl::ToUnixMillis(absl::Now()));
  note.tty = spec.terminal.has_value();
  return note;
}

v1::Process ProcessNote::ToProto(size_t most_words) const {
  v1::Process process;
  process.set_pid(static_cast<uint32_t>(pid));
  for (std::string& word : CutWords(argv, most_words)) process.add_argv(std::move(word));
  process.set_user(user);
  process.set_started_unix_ms(started_unix_ms);
  process.set_tty(tty);
  return process;
}

ProcessNote ProcessNote::FromProto(const v1::Process& process) {
  ProcessNote note;
  note.pid = static_cast<pid_t>(process.pid());
  note.argv = CutWords({process.argv().begin(), process.argv().end()}, kMostWords);
  note.user = CutText(process.user(), kMostUser);
  note.started_unix_ms = process.started_unix_ms();
  note.tty = process.tty();
  return note;
}

}  // namespace ember::agent
