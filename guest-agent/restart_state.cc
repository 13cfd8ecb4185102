#include "guest-agent/restart_state.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/frame.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "ember/agent/v1/restart.pb.h"
#include "guest-agent/detached_process.h"
#include "guest-agent/process_table.h"

namespace ember::agent {
namespace {

constexpr uint32_t kVersion = 1;
constexpr size_t kPiece = size_t{256} << 10;

std::string Framed(const v1::RestartRecord& record) {
  std::string bytes;
  AppendFrame(record.SerializeAsString(), bytes);
  return bytes;
}

uint32_t NumberOf(const UniqueFd& fd) { return fd.valid() ? static_cast<uint32_t>(fd.get()) : 0; }

// Puts records together to processes.
class Reader {
 public:
  absl::Status Take(v1::RestartRecord record) {
    if (ended_) return DataLoss("a record behind the end");
    if (!begun_) return TakeHeader(record);
    switch (record.kind_case()) {
      case v1::RestartRecord::kProcess:
        return TakeProcess(std::move(*record.mutable_process()));
      case v1::RestartRecord::kOutput:
        return TakeOutput(record.output());
      case v1::RestartRecord::kEnd:
        ended_ = true;
        return absl::OkStatus();
      default:
        return DataLoss("a record of an unknown kind");
    }
  }

  absl::StatusOr<std::vector<RecordedProcess>> Finish() && {
    if (!ended_) return DataLoss("the end is missing");
    return std::move(processes_);
  }

 private:
  absl::Status TakeHeader(const v1::RestartRecord& record) {
    begun_ = true;
    if (record.header().version() == kVersion) return absl::OkStatus();
    return DataLoss("version {} is not known here", record.header().version());
  }

  absl::Status TakeProcess(v1::RestartProcess record) {
    if (processes_.size() >= ProcessTable::kMostRunning + ProcessTable::kMostEnded) {
      return DataLoss("too many processes");
    }
    const v1::Process& about = record.about();
    if (!CheckTag(about.tag()).ok()) return DataLoss("tag '{}'", about.tag());
    if (!tags_.insert(about.tag()).second) return DataLoss("tag '{}' twice", about.tag());
    if (about.pid() < 2 || about.pid() > INT32_MAX) return DataLoss("pid {}", about.pid());
    if (about.running() && record.output_fd() == 0) return DataLoss("no output descriptor");
    if (about.running() && about.tty() && record.input_fd() == 0) {
      return DataLoss("no descriptor of the terminal");
    }
    RecordedProcess process{about, OutputRing(DetachedProcess::kOutputKept, record.output_start())};
    if (about.running()) {
      ASSIGN_OR_RETURN(process.input_fd, Descriptor(record.input_fd()));
      ASSIGN_OR_RETURN(process.output_fd, Descriptor(record.output_fd()));
      ASSIGN_OR_RETURN(process.error_fd, Descriptor(record.error_fd()));
    }
    processes_.push_back(std::move(process));
    return absl::OkStatus();
  }

  absl::StatusOr<int> Descriptor(uint32_t number) {
    if (number == 0) return -1;
    if (number < 3 || number > INT32_MAX || !descriptors_.insert(number).second) {
      return DataLoss("descriptor {}", number);
    }
    return static_cast<int>(number);
  }

  absl::Status TakeOutput(const v1::RestartOutput& record) {
    if (processes_.empty()) return DataLoss("output of no process");
    OutputRing& output = processes_.back().output;
    if (record.payload().size() > UINT64_MAX - output.end()) return DataLoss("too much output");
    output.Append(record.error() ? OutputStream::kErr : OutputStream::kOut, record.payload());
    return absl::OkStatus();
  }

  bool begun_ = false;
  bool ended_ = false;
  std::set<std::string> tags_;
  std::set<uint32_t> descriptors_;
  std::vector<RecordedProcess> processes_;
};

}  // namespace

std::string RestartStateBegin() {
  v1::RestartRecord record;
  record.mutable_header()->set_version(kVersion);
  return Framed(record);
}

std::string RestartStateEnd() {
  v1::RestartRecord record;
  record.mutable_end();
  return Framed(record);
}

std::string RestartStateOf(const SavedProcess& saved) {
  v1::RestartRecord record;
  v1::RestartProcess& process = *record.mutable_process();
  *process.mutable_about() = saved.about;
  process.set_input_fd(NumberOf(saved.streams.input));
  process.set_output_fd(NumberOf(saved.streams.output));
  process.set_error_fd(NumberOf(saved.streams.error));
  process.set_output_start(saved.output.begin());
  std::string bytes = Framed(record);
  for (uint64_t at = saved.output.begin(); at < saved.output.end();) {
    const auto piece = saved.output.Read(at, kPiece);
    v1::RestartRecord output;
    output.mutable_output()->set_error(piece.stream == OutputStream::kErr);
    output.mutable_output()->set_payload(piece.bytes.data(), piece.bytes.size());
    bytes += Framed(output);
    at += piece.bytes.size();
  }
  return bytes;
}

absl::StatusOr<std::vector<RecordedProcess>> ParseRestartState(std::string_view bytes) {
  Reader reader;
  FrameReader frames;
  while (true) {
    ASSIGN_OR_RETURN(const auto frame, frames.Next());
    if (!frame.has_value()) {
      if (bytes.empty()) break;
      const size_t size = std::min(bytes.size(), kPiece);
      frames.Append(bytes.substr(0, size));
      bytes.remove_prefix(size);
      continue;
    }
    v1::RestartRecord record;
    if (!record.ParseFromArray(frame->data(), static_cast<int>(frame->size()))) {
      return DataLoss("a record that can't be read");
    }
    RETURN_IF_ERROR(reader.Take(std::move(record)));
  }
  if (frames.buffered() > 0) return DataLoss("a record is cut short");
  return std::move(reader).Finish();
}

}  // namespace ember::agent
