#include <string>
#include <utility>

#include "base/status.h"
#include "base/status_macros.h"
#include "base/tree/tree_sink.h"
#include "base/tree/tree_source.h"
#include "base/utf8.h"
#include "guest-agent/blocking_task.h"
#include "guest-agent/file_facts.h"

namespace ember::agent {
namespace {

using v1::AgentFrame;
using v1::ClientFrame;

AgentFrame EndOf(const tree::TreeSummary& summary) {
  AgentFrame frame;
  v1::TreeEnd& end = *frame.mutable_tree_end();
  end.set_files(summary.files);
  end.set_bytes(summary.bytes);
  for (const std::string& name : summary.skipped) end.add_skipped(ToUtf8(name));
  return frame;
}

absl::Status ReadTree(const v1::ReadTree& request, FrameSocket& client) {
  RETURN_IF_ERROR(CheckPath(request.path()));
  tree::PieceWriter out([&client](const std::string& piece) { return client.SendTreeData(piece); });
  ASSIGN_OR_RETURN(
      const tree::TreeSummary summary,
      tree::TreeSource::Send(
          request.path(),
          {.follow_symlinks = request.follow_symlinks(), .contents = request.contents()}, out));
  return client.Send(EndOf(summary));
}

absl::Status WriteTree(const v1::WriteTree& request, FrameSocket& client) {
  RETURN_IF_ERROR(CheckPath(request.path()));
  std::optional<std::string_view> single;
  if (request.single()) single = request.name();
  ASSIGN_OR_RETURN(tree::Destination destination, tree::OpenDestination(request.path(), single));
  tree::TreeSink sink(std::move(destination), {.keep_owner = request.keep_owner(),
                                               .devices = tree::SinkOptions::Devices::kMake});
  while (true) {
    ASSIGN_OR_RETURN(const auto piece, client.NextTreeData());
    if (!piece.has_value()) break;
    RETURN_IF_ERROR(sink.Append(*piece));
  }
  ASSIGN_OR_RETURN(const tree::TreeSummary summary, sink.Finish());
  return client.Send(EndOf(summary));
}

}  // namespace

absl::StatusOr<std::unique_ptr<SessionTask>> StartReadTreeTask(const Context& context,
                                                               const ClientFrame& request,
                                                               ClientLink& link) {
  return StartBlockingTask(
      context, link, "read tree",
      [request = request.read_tree()](FrameSocket& client, const Cancellation&) {
        return ReadTree(request, client);
      });
}

absl::StatusOr<std::unique_ptr<SessionTask>> StartWriteTreeTask(const Context& context,
                                                                const ClientFrame& request,
                                                                ClientLink& link) {
  return StartBlockingTask(
      context, link, "write tree",
      [request = request.write_tree()](FrameSocket& client, const Cancellation&) {
        return WriteTree(request, client);
      });
}

}  // namespace ember::agent
