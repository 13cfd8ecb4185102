#include <filesystem>

#include "base/file.h"
#include "state/store.h"
#include "tests/state/store_context.h"
#include "tests/support/catch.h"
#include "tests/support/full_disk.h"

namespace ember::state {
namespace {

using testing::ValueOf;

struct BatchContext : StoreContext {
  BatchContext() : first(Create("first")) {}
  absl::StatusOr<CreateResult> TryCreate(std::string name, std::string label = "") {
    NewVm vm;
    vm.name = std::move(name);
    if (!label.empty()) vm.config.labels["label"] = std::move(label);
    return store->CreateVm(vm);
  }
  std::vector<std::string> Names() {
    std::vector<std::string> names;
    for (const VmRecord& vm : ValueOf(store->ListVms())) names.push_back(vm.name);
    return names;
  }
  // What the next daemon would find after a crash at this moment.
  size_t VmsOnDisk() {
    const testing::TempDir crashed;
    for (const char* file : {"state.db", "state.db-wal"}) {
      std::filesystem::copy_file(dir / file, crashed / file);
    }
    return ValueOf(ValueOf(Store::Open(crashed.path()))->ListVms()).size();
  }

  const VmRecord first;
};

TEST_CASE("a batch is on disk when it is committed, and not before", "[state][batch]") {
  BatchContext context;
  REQUIRE_OK(context.store->BeginBatch());
  CHECK(context.store->in_batch());
  context.Create("a");
  context.Create("b");
  CHECK(context.Names() == std::vector<std::string>{"a", "b", "first"});
  CHECK(context.VmsOnDisk() == 1);
  REQUIRE_OK(context.store->CommitBatch());
  CHECK_FALSE(context.store->in_batch());
  CHECK(context.VmsOnDisk() == 3);
}

TEST_CASE("an event of a batch can be read once it is committed", "[state][batch]") {
  BatchContext context;
  REQUIRE_OK(context.store->BeginBatch());
  context.Create("a");
  REQUIRE_OK(context.store->AppendEvent(context.first.id, "agent-ready", ""));
  CHECK(context.store->LastSequence() == 1);
  CHECK(ValueOf(context.store->EventsAfter(0, 10)).size() == 1);
  CHECK(ReasonOf(context.store->EventsAfter(2, 10).status()) == "EVENTS_UNKNOWN");
  REQUIRE_OK(context.store->CommitBatch());
  CHECK(context.store->LastSequence() == 3);
  const std::vector<Event> events = ValueOf(context.store->EventsAfter(1, 10));
  REQUIRE(events.size() == 2);
  CHECK(events[0].kind == "creating");
  CHECK(events[1].kind == "agent-ready");
}

TEST_CASE("a call that fails undoes only itself", "[state][batch]") {
  BatchContext context;
  REQUIRE_OK(context.store->BeginBatch());
  const VmRecord a = context.Create("a");
  CHECK(ReasonOf(context.TryCreate("first").status()) == "VM_EXISTS");
  CHECK(context.store->DeleteVm(a.id, "").code() == absl::StatusCode::kFailedPrecondition);
  NewVm broken;
  broken.name = "broken";
  broken.config.init = "systemd";
  CHECK(context.store->CreateVm(broken).status().code() == absl::StatusCode::kFailedPrecondition);
  const VmRecord b = context.Create("b");
  CHECK(b.guest_cid == a.guest_cid + 1);
  CHECK(b.address->block_index == a.address->block_index + 1);
  REQUIRE_OK(context.store->CommitBatch());
  context.Reopen();
  CHECK(context.Names() == std::vector<std::string>{"a", "b", "first"});
  CHECK(context.store->LastSequence() == 3);
}

TEST_CASE("a call sees what those before it in the batch did", "[state][batch]") {
  BatchContext context;
  REQUIRE_OK(context.store->BeginBatch());
  context.Delete(context.first);
  const VmRecord second = context.Create("first");
  CHECK(second.guest_cid == context.first.guest_cid);
  CHECK(second.address == context.first.address);
  REQUIRE_OK(context.store->SetState(second.id, StoreContext::To(VmState::kCreated)));
  REQUIRE_OK(context.store->CommitBatch());
  CHECK(ValueOf(context.store->GetVm("first")).state == VmState::kCreated);
  CHECK(context.store->LastSequence() == 5);
}

TEST_CASE("a batch that a full disk refuses was never there", "[state][batch]") {
  BatchContext context;
  REQUIRE_OK(context.store->BeginBatch());
  const VmRecord a = context.Create("a");
  context.Delete(context.first);
  {
    const testing::FullDisk full;
    const absl::Status status = context.store->CommitBatch();
    INFO(status.ToString());
    CHECK(status.code() == absl::StatusCode::kResourceExhausted);
    CHECK(HintOf(status).has_value());
  }
  CHECK_FALSE(context.store->in_batch());
  CHECK(context.Names() == std::vector<std::string>{"first"});
  CHECK(context.store->LastSequence() == 1);
  CHECK(context.VmsOnDisk() == 1);

  const VmRecord b = context.Create("b");
  CHECK(b.guest_cid == a.guest_cid);
  CHECK(b.address == a.address);
  CHECK(context.store->LastSequence() == 2);
  REQUIRE_OK(context.store->BeginBatch());
  context.Create("c");
  REQUIRE_OK(context.store->CommitBatch());
  context.Reopen();
  CHECK(context.Names() == std::vector<std::string>{"b", "c", "first"});
  CHECK(context.store->LastSequence() == 3);
}

TEST_CASE("a disk that is full in the middle undoes the batch as a whole", "[state][batch]") {
  BatchContext context;
  REQUIRE_OK(context.store->BeginBatch());
  const VmRecord a = context.Create("a");
  {
    const testing::FullDisk full;
    // More than SQLite keeps in memory, so it has to write before the commit.
    const absl::Status big = context.TryCreate("big", std::string(8 << 20, 'x')).status();
    INFO(big.ToString());
    CHECK(big.code() == absl::StatusCode::kResourceExhausted);
  }
  const absl::Status next = context.TryCreate("next").status();
  CHECK(next.code() == absl::StatusCode::kAborted);
  CHECK(ReasonOf(next) == "BATCH_UNDONE");
  const absl::Status commit = context.store->CommitBatch();
  CHECK(commit.code() == absl::StatusCode::kAborted);
  CHECK(ReasonOf(commit) == "BATCH_UNDONE");
  CHECK(context.Names() == std::vector<std::string>{"first"});
  CHECK(context.Create("b").guest_cid == a.guest_cid);
  CHECK(context.store->LastSequence() == 2);
}

TEST_CASE("an empty batch and one of refusals only leave no trace", "[state][batch]") {
  BatchContext context;
  REQUIRE_OK(context.store->BeginBatch());
  REQUIRE_OK(context.store->CommitBatch());
  REQUIRE_OK(context.store->BeginBatch());
  CHECK_FALSE(context.TryCreate("first").ok());
  REQUIRE_OK(context.store->CommitBatch());
  CHECK(context.store->LastSequence() == 1);
}

TEST_CASE("a store that goes away drops its batch", "[state][batch]") {
  BatchContext context;
  REQUIRE_OK(context.store->BeginBatch());
  context.Create("a");
  context.Reopen();
  CHECK(context.Names() == std::vector<std::string>{"first"});
  CHECK(context.store->LastSequence() == 1);
}

TEST_CASE("old events go with the commit of the batch that is too much", "[state][batch]") {
  BatchContext context;
  REQUIRE_OK(context.OpenRaw()->Execute(fmt::format(
      "WITH RECURSIVE more (n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM more WHERE n < {})"
      "INSERT INTO event (time, vm_id, vm_name, kind, state, message)"
      " SELECT n, 'id', 'old', 'running', 'running', '' FROM more",
      kEventsKept)));
  context.Reopen();
  REQUIRE_OK(context.store->BeginBatch());
  for (const char* name : {"a", "b", "c"}) context.Create(name);
  CHECK(ValueOf(context.store->EventsAfter(0, 1)).front().sequence == 1);
  REQUIRE_OK(context.store->CommitBatch());
  CHECK(context.store->OldestSequence() == 4);
  CHECK(ReasonOf(context.store->EventsAfter(0, 1).status()) == "EVENTS_PRUNED");
  CHECK(ValueOf(context.store->EventsAfter(3, 20'000)).size() == kEventsKept);
}

}  // namespace
}  // namespace ember::state
