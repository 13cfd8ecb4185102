#include <memory>
#include <string>
#include <utility>

#include "base/status.h"
#include "guest-agent/json/operation.h"

namespace ember::agent {
namespace {

class BlockingOperation : public Operation {
 public:
  explicit BlockingOperation(std::unique_ptr<Workers::Job> job) : job_(std::move(job)) {}

 private:
  std::unique_ptr<Workers::Job> job_;
};

// On the worker, the making of the text too: a response may have many megabytes.
absl::StatusOr<std::string> LineOf(const std::string& op, BlockingWork work,
                                   const Cancellation& cancellation) {
  const auto response = std::move(work)(cancellation);
  if (!response.ok()) return Annotate(response.status(), op);
  return TextOf(*response);
}

}  // namespace

std::unique_ptr<Operation> StartBlocking(const Context& context, std::string op,
                                         absl::StatusOr<BlockingWork> work, Answer answer) {
  if (!work.ok()) {
    answer(work.status());
    return nullptr;
  }
  auto job = context.workers.Start(
      op,
      [op, work = *std::move(work),
       answer](const Cancellation& cancellation) mutable -> Workers::Finish {
        return [answer, line = LineOf(op, std::move(work), cancellation)]() mutable {
          answer(std::move(line));
        };
      });
  if (!job.ok()) {
    answer(Annotate(job.status(), op));
    return nullptr;
  }
  return std::make_unique<BlockingOperation>(*std::move(job));
}

}  // namespace ember::agent
