#include <fstream>
#include <string>

#include "base/file.h"
#include "tests/state/store_context.h"
#include "tests/support/catch.h"

namespace ember::state {
namespace {

using testing::ValueOf;

constexpr size_t kPage = 4096;

// A state directory whose files are spoilt by hand.
struct DamageContext : StoreContext {
  DamageContext() {
    for (const char* name : {"a", "b", "c"}) Create(name);
    Close();
  }
  std::filesystem::path wal() const { return path().native() + "-wal"; }
  std::string Content() const { return ValueOf(ReadFile(path())); }
  void Write(std::string_view content) { REQUIRE_OK(WriteFileAtomically(path(), content, 0600)); }
  // Counted from 0.
  size_t FirstPageOf(std::string_view index) {
    const int64_t page = ValueOf(OpenRaw()->QueryInt64(
        fmt::format("SELECT rootpage FROM sqlite_schema WHERE name = '{}'", index)));
    return static_cast<size_t>(page - 1);
  }
  // Opens the store, which must refuse, and checks that no byte of the files was touched.
  absl::Status Refused() {
    const std::string before = Content();
    const std::string log = std::filesystem::exists(wal()) ? ValueOf(ReadFile(wal())) : "";
    const absl::Status status = Store::Open(dir.path()).status();
    INFO(status.ToString());
    REQUIRE_FALSE(status.ok());
    CHECK(Message(status).starts_with(path().native()));
    CHECK(HintOf(status).has_value());
    CHECK(Content() == before);
    CHECK((std::filesystem::exists(wal()) ? ValueOf(ReadFile(wal())) : "") == log);
    return status;
  }
};

TEST_CASE("a file that is no database is refused with a way out", "[state][damage]") {
  DamageContext context;
  context.Write("these are not the bytes you are looking for\n" + std::string(9000, 'x'));
  const absl::Status status = context.Refused();
  CHECK(status.code() == absl::StatusCode::kDataLoss);
  CHECK(Message(status) == context.path().native() + " is damaged: file is not a database");
  CHECK(ReasonOf(status) == "STATE_DAMAGED");
  CHECK(HintOf(status)->find("mv " + context.path().native() + " ") != std::string::npos);
}

TEST_CASE("every page that is overwritten with noise is found", "[state][damage]") {
  DamageContext context;
  const std::string whole = context.Content();
  REQUIRE(whole.size() % kPage == 0);
  REQUIRE(whole.size() / kPage > 10);
  for (size_t page = 0; page < whole.size() / kPage; ++page) {
    INFO("page " << page);
    std::string spoilt = whole;
    for (size_t i = 0; i < kPage; ++i) {
      spoilt[page * kPage + i] = static_cast<char>((i * 31 + page * 7 + 1) % 251);
    }
    context.Write(spoilt);
    CHECK(context.Refused().code() == absl::StatusCode::kDataLoss);
  }
  context.Write(whole);
  context.Reopen();
  CHECK(ValueOf(context.store->ListVms()).size() == 3);
}

TEST_CASE("a truncated file is refused", "[state][damage]") {
  DamageContext context;
  const std::string whole = context.Content();
  for (const size_t size : {size_t{1}, size_t{50}, size_t{100}, kPage / 2, kPage, 3 * kPage,
                            whole.size() - kPage, whole.size() - 100}) {
    INFO(size);
    context.Write(whole.substr(0, size));
    CHECK(context.Refused().code() == absl::StatusCode::kDataLoss);
  }
}

TEST_CASE("an index that lost its table's rows is refused", "[state][damage]") {
  DamageContext context;
  // Every page is sound by itself: the leases' index is now as empty as that of the machines.
  const size_t leases = context.FirstPageOf("sqlite_autoindex_cid_lease_1");
  const size_t machines = context.FirstPageOf("sqlite_autoindex_machine_1");
  std::string content = context.Content();
  content.replace(leases * kPage, kPage, content.substr(machines * kPage, kPage));
  context.Write(content);
  CHECK(context.Refused().code() == absl::StatusCode::kDataLoss);
}

TEST_CASE("a log without its database is not thrown away", "[state][damage]") {
  DamageContext context;
  const bool absent = GENERATE(false, true);
  std::ofstream(context.wal()) << "frames that somebody may want back";
  context.Write("");
  if (absent) REQUIRE(std::filesystem::remove(context.path()));
  const absl::Status status = Store::Open(context.dir.path()).status();
  CHECK(status.code() == absl::StatusCode::kDataLoss);
  CHECK(HintOf(status)->find("-wal.damaged") != std::string::npos);
  CHECK(ValueOf(ReadFile(context.wal())) == "frames that somebody may want back");
  CHECK(std::filesystem::exists(context.path()) != absent);
}

TEST_CASE("after a crash the log is read back", "[state][damage]") {
  StoreContext context;
  const VmRecord vm = context.Create("web");
  // What a killed daemon leaves: both files as they are while it runs.
  const testing::TempDir crashed;
  for (const char* file : {"state.db", "state.db-wal"}) {
    std::filesystem::copy_file(context.dir / file, crashed / file);
  }
  const auto store = ValueOf(Store::Open(crashed.path()));
  CHECK(ValueOf(store->ListVms()) == std::vector<VmRecord>{vm});
  CHECK(store->LastSequence() == 1);
}

TEST_CASE("a truncated log loses whole transactions from its end only", "[state][damage]") {
  StoreContext context;
  const VmRecord first = context.Create("first");
  const auto size = std::filesystem::file_size(context.path().native() + "-wal");
  context.Create("second");
  const testing::TempDir crashed;
  for (const char* file : {"state.db", "state.db-wal"}) {
    std::filesystem::copy_file(context.dir / file, crashed / file);
  }
  std::filesystem::resize_file(crashed / "state.db-wal", size + kPage);
  const auto store = ValueOf(Store::Open(crashed.path()));
  CHECK(ValueOf(store->ListVms()) == std::vector<VmRecord>{first});
  CHECK(store->LastSequence() == 1);
}

// Three committed creates, as a killed daemon leaves them, with the log's size after each.
struct CrashContext : StoreContext {
  CrashContext() {
    for (const char* name : {"first", "second", "third"}) {
      Create(name);
      sizes.push_back(std::filesystem::file_size(log()));
    }
  }
  std::filesystem::path log() const { return path().native() + "-wal"; }
  // The names of the VMs in a copy whose log was treated by `spoil`.
  template <typename Spoil>
  std::vector<std::string> NamesAfter(Spoil spoil) {
    const testing::TempDir crashed;
    for (const char* file : {"state.db", "state.db-wal"}) {
      std::filesystem::copy_file(dir / file, crashed / file);
    }
    spoil(crashed / "state.db-wal");
    const auto store = ValueOf(Store::Open(crashed.path()));
    CHECK(ValueOf(store->CheckRows()).empty());
    std::vector<std::string> names;
    for (const VmRecord& vm : ValueOf(store->ListVms())) names.push_back(vm.name);
    CHECK(store->LastSequence() == names.size());
    return names;
  }
  // The creates whose frames lie below `size` whole.
  std::vector<std::string> Expected(size_t size) const {
    std::vector<std::string> names;
    for (const char* name : {"first", "second", "third"}) {
      if (sizes[names.size()] > size) break;
      names.emplace_back(name);
    }
    return names;
  }
  std::vector<size_t> sizes;
};

TEST_CASE("wherever the log ends, what was committed before is there", "[state][damage]") {
  CrashContext context;
  // From the first create on: what the schema needs lies below it.
  for (size_t size = context.sizes[0]; size <= context.sizes[2]; size += 1031) {
    INFO(size);
    const auto names =
        context.NamesAfter([size](const auto& log) { std::filesystem::resize_file(log, size); });
    CHECK(names == context.Expected(size));
  }
}

TEST_CASE("a log with a flipped bit ends before it", "[state][damage]") {
  CrashContext context;
  for (size_t at = context.sizes[0]; at < context.sizes[2]; at += 1031) {
    INFO(at);
    const auto names = context.NamesAfter([at](const auto& log) {
      std::string content = ValueOf(ReadFile(log));
      content[at] = static_cast<char>(content[at] ^ 0x10);
      REQUIRE_OK(WriteFileAtomically(log, content, 0600));
    });
    CHECK(names == context.Expected(at));
  }
}

}  // namespace
}  // namespace ember::state
