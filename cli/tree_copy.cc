#include "cli/tree_copy.h"

#include <grpcpp/grpcpp.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "absl/time/clock.h"
#include "base/size.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "base/tree/file_source.h"
#include "base/tree/tar_header.h"
#include "base/tree/tree_sink.h"
#include "base/tree/tree_source.h"
#include "cli/call_watch.h"
#include "cli/raw_file.h"
#include "ember/v1/file_service.grpc.pb.h"

namespace ember::cli {
namespace {

using Kind = CopyPlace::Kind;
using Stub = v1::FileService::Stub;

// A place that takes pieces of a stream; an empty one is never given. It may take the memory.
using Take = std::function<absl::Status(std::string& piece)>;

tree::TreeSummary FromProto(const v1::TreeEnd& end) {
  return {end.files(), end.bytes(), {end.skipped().begin(), end.skipped().end()}};
}

// Bytes of the stream so far, as a waiting person wants to know them.
class Meter {
 public:
  void Add(size_t bytes) { bytes_ += bytes; }
  std::string Text() const {
    const double seconds = std::max(absl::ToDoubleSeconds(absl::Now() - start_), 0.1);
    const double mib = static_cast<double>(bytes_) / static_cast<double>(kMiB);
    return fmt::format("{:.1f}M, {:.1f}M/s", mib, mib / seconds);
  }

 private:
  const absl::Time start_ = absl::Now();
  std::atomic<uint64_t> bytes_ = 0;
};

// Reads a tree out of a VM, piece by piece.
class TreeReader {
 public:
  TreeReader(Stub& stub, CallWatch& watch, const CopyPlace& from, const CopyOptions& options)
      : watch_(watch), context_(watch.NewContext()) {
    const CopySource source = SourceOf(from.path);
    v1::ReadTreeRequest request;
    request.set_vm(from.vm);
    request.set_path(source.path);
    request.set_contents(source.contents);
    request.set_follow_symlinks(options.follow_symlinks);
    call_ = stub.ReadTree(&context_, request);
  }

  // Hands all of it to `take`, whose error ends the call.
  absl::StatusOr<tree::TreeSummary> ReadAll(const Take& take) {
    absl::Status taken;
    std::optional<v1::TreeEnd> end;
    v1::ReadTreeResponse response;
    while (taken.ok() && call_->Read(&response)) {
      if (response.has_end()) {
        end = response.end();
      } else {
        taken = take(*response.mutable_data());
      }
    }
    if (!taken.ok()) context_.TryCancel();
    const grpc::Status status = call_->Finish();
    const absl::Status outcome = watch_.Outcome(status, context_);
    if (watch_.interrupted()) return outcome;
    if (!taken.ok()) return taken;
    RETURN_IF_ERROR(outcome);
    if (!end.has_value()) return DataLoss("the daemon ended the tree without its end");
    return FromProto(*end);
  }

 private:
  CallWatch& watch_;
  grpc::ClientContext& context_;
  std::unique_ptr<grpc::ClientReader<v1::ReadTreeResponse>> call_;
};

// Writes a tree into a VM, piece by piece.
class TreeWriter {
 public:
  TreeWriter(Stub& stub, CallWatch& watch, const CopyPlace& to, const CopySource& source,
             const CopyOptions& options)
      : watch_(watch), context_(watch.NewContext()) {
    call_ = stub.WriteTree(&context_, &end_);
    v1::WriteTreeStart& start = *request_.mutable_start();
    start.set_vm(to.vm);
    start.set_path(to.path);
    start.set_single(!source.contents);
    start.set_name(source.name);
    start.set_keep_owner(options.keep_owner);
    call_->Write(request_);  // should it fail, the next one does too
  }

  absl::Status Take(std::string& piece) {
    request_.mutable_data()->swap(piece);
    return Write();
  }

  // Ends the call; `sent` is how the stream ended on our side.
  absl::StatusOr<tree::TreeSummary> Finish(const absl::Status& sent) {
    if (sent.ok()) {
      request_.mutable_end();
      if (Write().ok()) call_->WritesDone();
    }
    if (!sent.ok() && !refused_) context_.TryCancel();
    const grpc::Status status = call_->Finish();
    const absl::Status outcome = watch_.Outcome(status, context_);
    if (!sent.ok() && !refused_ && !watch_.interrupted()) return sent;
    RETURN_IF_ERROR(outcome);
    return FromProto(end_);
  }

 private:
  absl::Status Write() {
    if (call_->Write(request_)) return absl::OkStatus();
    refused_ = true;
    return Cancelled("the call has ended");
  }

  CallWatch& watch_;
  grpc::ClientContext& context_;
  bool refused_ = false;  // by the daemon: the call's outcome says why
  v1::TreeEnd end_;
  v1::WriteTreeRequest request_;
  std::unique_ptr<grpc::ClientWriter<v1::WriteTreeRequest>> call_;
};

// One copy, with what all its kinds share.
class Copy {
 public:
  Copy(Client& client, const CopyPlace& from, const CopyPlace& to, const CopyOptions& options,
       Progress& progress)
      : stub_(v1::FileService::NewStub(client.channel())),
        watch_(client, progress, [this] { return meter_.Text(); }),
        from_(from),
        to_(to),
        options_(options) {}

  absl::StatusOr<tree::TreeSummary> Run() {
    if (from_.kind != Kind::kVm) return ToVm();
    if (to_.kind == Kind::kVm) return BetweenVms();
    return to_.kind == Kind::kLocal ? ToHost() : ToStandardOutput();
  }

 private:
  absl::StatusOr<tree::TreeSummary> ToVm() {
    const bool standard = from_.kind == Kind::kStandardStream;
    const CopySource source = standard ? CopySource{false, "", "-"} : SourceOf(from_.path);
    TreeWriter writer(*stub_, watch_, to_, source, options_);
    watch_.Start();
    tree::PieceWriter out([this, &writer](std::string& piece) {
      meter_.Add(piece.size());
      return writer.Take(piece);
    });
    auto sent =
        standard
            ? SendRawFile(STDIN_FILENO, source.name, out, watch_.cancellation())
            : tree::TreeSource::Send(
                  source.path,
                  {.follow_symlinks = options_.follow_symlinks, .contents = source.contents}, out);
    ASSIGN_OR_RETURN(tree::TreeSummary summary, writer.Finish(sent.status()));
    for (std::string& name : sent->skipped) summary.Skip(std::move(name));
    return summary;
  }

  absl::StatusOr<tree::TreeSummary> ToHost() {
    const CopySource source = SourceOf(from_.path);
    std::optional<std::string_view> single;
    if (!source.contents) single = source.name;
    ASSIGN_OR_RETURN(tree::Destination destination, tree::OpenDestination(to_.path, single));
    tree::TreeSink sink(std::move(destination), {.keep_owner = options_.keep_owner});
    ASSIGN_OR_RETURN(const tree::TreeSummary sent,
                     Receive([&sink](std::string& piece) { return sink.Append(piece); }));
    ASSIGN_OR_RETURN(tree::TreeSummary summary, sink.Finish());
    for (const std::string& name : sent.skipped) summary.Skip(name);
    return summary;
  }

  absl::StatusOr<tree::TreeSummary> ToStandardOutput() {
    RawFileReceiver receiver(from_.path);
    tree::TarReader reader(receiver);
    ASSIGN_OR_RETURN(tree::TreeSummary summary,
                     Receive([&reader](std::string& piece) { return reader.Append(piece); }));
    RETURN_IF_ERROR(reader.Finish());
    return summary;
  }

  absl::StatusOr<tree::TreeSummary> Receive(const Take& take) {
    TreeReader reader(*stub_, watch_, from_, options_);
    watch_.Start();
    return reader.ReadAll([this, &take](std::string& piece) {
      meter_.Add(piece.size());
      return take(piece);
    });
  }

  // The two calls move bytes in opposite directions of the channel, so neither can use up the
  // window that the other one waits for.
  absl::StatusOr<tree::TreeSummary> BetweenVms() {
    TreeReader reader(*stub_, watch_, from_, options_);
    TreeWriter writer(*stub_, watch_, to_, SourceOf(from_.path), options_);
    watch_.Start();
    const auto read = reader.ReadAll([this, &writer](std::string& piece) {
      meter_.Add(piece.size());
      return writer.Take(piece);
    });
    ASSIGN_OR_RETURN(tree::TreeSummary summary, writer.Finish(read.status()));
    for (const std::string& name : read->skipped) summary.Skip(name);
    return summary;
  }

  const std::unique_ptr<Stub> stub_;
  Meter meter_;
  CallWatch watch_;
  const CopyPlace& from_;
  const CopyPlace& to_;
  const CopyOptions options_;
};

}  // namespace

absl::StatusOr<tree::TreeSummary> CopyTree(Client& client, const CopyPlace& from,
                                           const CopyPlace& to, const CopyOptions& options,
                                           Progress& progress) {
  return Copy(client, from, to, options, progress).Run();
}

}  // namespace ember::cli
