#include "state/event_log.h"
#include "tests/state/store_context.h"
#include "tests/support/catch.h"

namespace ember::state {
namespace {

using testing::ValueOf;

std::vector<uint64_t> Sequences(const std::vector<Event>& events) {
  std::vector<uint64_t> numbers;
  for (const Event& event : events) numbers.push_back(event.sequence);
  return numbers;
}

TEST_CASE("every change is an event of the same transaction", "[state][events]") {
  StoreContext context;
  const VmRecord vm = context.Create("web");
  REQUIRE_OK(context.store->SetState(vm.id, StoreContext::To(VmState::kCreated)));
  REQUIRE_OK(context.store->AppendEvent(vm.id, "agent-ready", "after 1.5s"));
  REQUIRE_OK(context.store->SetState(vm.id, StoreContext::To(VmState::kDeleting, "by a user")));
  REQUIRE_OK(context.store->DeleteVm(vm.id, "gone for good"));
  const std::vector<Event> events = ValueOf(context.store->EventsAfter(0, 100));
  REQUIRE(events.size() == 5);
  CHECK(Sequences(events) == std::vector<uint64_t>{1, 2, 3, 4, 5});
  CHECK(events[0].kind == "creating");
  CHECK(events[1].kind == "created");
  CHECK(events[2].kind == "agent-ready");
  CHECK(events[2].state == VmState::kCreated);
  CHECK(events[2].message == "after 1.5s");
  CHECK(events[3].message == "by a user");
  CHECK(events[4].kind == "deleted");
  CHECK(events[4].vm_name == "web");
  CHECK(events[4].vm_id == vm.id);
  CHECK(absl::AbsDuration(absl::Now() - events[4].time) < absl::Minutes(1));
}

TEST_CASE("events are read on from any number in pieces", "[state][events]") {
  StoreContext context;
  for (const char* name : {"a", "b", "c", "d"}) context.Create(name);
  CHECK(Sequences(ValueOf(context.store->EventsAfter(1, 2))) == std::vector<uint64_t>{2, 3});
  CHECK(Sequences(ValueOf(context.store->EventsAfter(3, 2))) == std::vector<uint64_t>{4});
  CHECK(ValueOf(context.store->EventsAfter(4, 2)).empty());
}

TEST_CASE("a number that was never given out is out of range", "[state][events]") {
  StoreContext context;
  CHECK(ValueOf(context.store->EventsAfter(0, 10)).empty());
  CHECK(context.store->OldestSequence() == 1);
  const absl::Status status = context.store->EventsAfter(1, 10).status();
  CHECK(status.code() == absl::StatusCode::kOutOfRange);
  CHECK(ReasonOf(status) == "EVENTS_UNKNOWN");
}

TEST_CASE("numbers go on where they ended when the store is opened again", "[state][events]") {
  StoreContext context;
  const VmRecord vm = context.Create("web");
  context.Delete(vm);
  const uint64_t last = context.store->LastSequence();
  context.Reopen();
  CHECK(context.store->LastSequence() == last);
  CHECK(context.store->OldestSequence() == 1);
  context.Create("next");
  CHECK(context.store->LastSequence() == last + 1);
}

TEST_CASE("numbers go on even when no event is left", "[state][events]") {
  StoreContext context;
  context.Create("a");
  context.Create("b");
  REQUIRE_OK(context.OpenRaw()->Execute("DELETE FROM event"));
  context.Reopen();
  CHECK(context.store->LastSequence() == 2);
  CHECK(context.store->OldestSequence() == 3);
  context.Create("c");
  CHECK(Sequences(ValueOf(context.store->EventsAfter(2, 10))) == std::vector<uint64_t>{3});
}

TEST_CASE("a refused change takes no number", "[state][events]") {
  StoreContext context;
  const VmRecord vm = context.Create("web");
  NewVm again;
  again.name = "web";
  CHECK_FALSE(context.store->CreateVm(again).ok());
  CHECK_FALSE(context.store->DeleteVm(vm.id, "").ok());
  CHECK(context.store->LastSequence() == 1);
}

TEST_CASE("only the newest events are kept, and a gap is told", "[state][events]") {
  StoreContext context;
  context.Create("web");
  // As many as fit, written past the store: one transaction instead of ten thousand.
  REQUIRE_OK(context.OpenRaw()->Execute(fmt::format(
      "WITH RECURSIVE more (n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM more WHERE n < {})"
      "INSERT INTO event (time, vm_id, vm_name, kind, state, message)"
      " SELECT n, 'id', 'old', 'running', 'running', '' FROM more",
      kEventsKept)));
  context.Reopen();
  CHECK(context.store->OldestSequence() == 1);
  context.Create("a");
  context.Create("b");
  CHECK(context.store->LastSequence() == kEventsKept + 2);
  CHECK(context.store->OldestSequence() == 3);

  const absl::Status gap = context.store->EventsAfter(1, 10).status();
  CHECK(gap.code() == absl::StatusCode::kOutOfRange);
  CHECK(ReasonOf(gap) == "EVENTS_PRUNED");
  CHECK(Sequences(ValueOf(context.store->EventsAfter(2, 1))) == std::vector<uint64_t>{3});
  CHECK(ValueOf(context.store->EventsAfter(2, 20'000)).size() == kEventsKept);
  CHECK(ValueOf(context.OpenRaw()->QueryInt64("SELECT count(*) FROM event")) == kEventsKept);
}

TEST_CASE("an event that is not committed is as if it had never been", "[state][events]") {
  StoreContext context;
  const auto database = context.OpenRaw();
  EventLog log = ValueOf(EventLog::Open(*database, 3));
  {
    const Transaction transaction = ValueOf(Transaction::Begin(*database));
    const uint64_t mark = log.Mark();
    REQUIRE_OK(log.Append(Event{}));
    CHECK(log.last() == 0);
    CHECK(ValueOf(log.After(0, 10)).empty());
    log.RollBack(mark);
  }
  log.Committed();
  CHECK(log.last() == 0);
  Transaction transaction = ValueOf(Transaction::Begin(*database));
  REQUIRE_OK(log.Append(Event{}));
  REQUIRE_OK(transaction.Commit());
  log.Committed();
  CHECK(log.last() == 1);
  CHECK(Sequences(ValueOf(log.After(0, 10))) == std::vector<uint64_t>{1});
}

}  // namespace
}  // namespace ember::state
