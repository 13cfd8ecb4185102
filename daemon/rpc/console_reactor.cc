#include "daemon/rpc/console_reactor.h"

#include <algorithm>
#include <memory>
#include <stop_token>
#include <string>
#include <utility>

#include "base/awaited.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "daemon/console_follower.h"
#include "daemon/console_log.h"
#include "daemon/rpc/status_to_grpc.h"

namespace ember::daemon::rpc {
namespace {

constexpr size_t kChunk = 64 << 10;

// The worker blocks in Write until gRPC has taken each chunk: that is the flow control.
class ConsoleReactor : public grpc::ServerWriteReactor<v1::ConsoleChunk> {
 public:
  ConsoleReactor(Host& host, Catalog& catalog, grpc::CallbackServerContext& context,
                 const v1::ConsoleRequest& request)
      : catalog_(catalog), context_(context), request_(request) {
    host.GetVm(request.name(), Reply<VmView>([this](absl::StatusOr<VmView> vm) {
                 if (!vm.ok()) return Finish(StatusToGrpc(vm.status(), context_));
                 catalog_.RunApart("console", [this, path = vm->console_path] {
                   Finish(StatusToGrpc(Serve(path), context_));
                 });
               }));
  }

 private:
  absl::Status Serve(const std::filesystem::path& path) {
    const size_t tail = request_.tail_bytes();
    if (request_.follow()) {
      return FollowConsole(path, tail, {stop_.get_token(), {}},
                           [this](std::string_view text) { return Write(text); });
    }
    ASSIGN_OR_RETURN(const std::string text,
                     ConsoleTail(path, tail == 0 ? 2 * kConsoleLimit : tail));
    return Write(text);
  }

  absl::Status Write(std::string_view text) {
    while (!text.empty()) {
      const size_t size = std::min(text.size(), kChunk);
      chunk_.set_text(text.data(), size);
      text.remove_prefix(size);
      Awaited<Done> written;
      written_ = written.reply();
      StartWrite(&chunk_);
      RETURN_IF_ERROR(written.Wait({}, "console").status());
    }
    return absl::OkStatus();
  }

  void OnWriteDone(bool ok) override {
    Reply<Done> written = std::move(written_);
    if (ok) {
      written(Done{});
    } else {
      written(Cancelled("the client has gone"));
    }
  }
  void OnCancel() override { stop_.request_stop(); }
  void OnDone() override { delete this; }

  Catalog& catalog_;
  grpc::CallbackServerContext& context_;
  const v1::ConsoleRequest request_;
  v1::ConsoleChunk chunk_;
  Reply<Done> written_;
  std::stop_source stop_;
};

}  // namespace

grpc::ServerWriteReactor<v1::ConsoleChunk>* NewConsoleReactor(Host& host, Catalog& catalog,
                                                              grpc::CallbackServerContext& context,
                                                              const v1::ConsoleRequest& request) {
  return new ConsoleReactor(host, catalog, context, request);
}

}  // namespace ember::daemon::rpc
