#include "cli/progress_step.h"

#include <fmt/format.h>

#include "base/size.h"

namespace ember::cli {
namespace {

std::string AmountText(const v1::Progress& step) {
  if (step.done() == 0 && step.total() == 0) return "";
  const auto mib = [](uint64_t bytes) { return fmt::format("{}M", (bytes + kMiB - 1) / kMiB); };
  return step.total() == 0 ? mib(step.done()) : mib(step.done()) + " of " + mib(step.total());
}

}  // namespace

void ShowStep(const v1::Progress& step, Progress* progress) {
  if (progress == nullptr) return;
  if (!step.item().empty()) return progress->Item(step.item(), step.stage(), AmountText(step));
  progress->Step(step.message().empty() ? step.stage() : step.stage() + " " + step.message());
  if (step.done() != 0) progress->Detail(AmountText(step));
}

}  // namespace ember::cli
