#include "daemon/commit_group.h"

#include <fmt/format.h>

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/status.h"
#include "tests/support/catch.h"
#include "tests/support/full_disk.h"
#include "tests/support/gate.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace ember::daemon {
namespace {

using testing::ValueOf;

// A store on a sequence, and changes that are added while the sequence is held, so that they queue
// up.
class GroupContext {
 public:
  GroupContext() : store_(ValueOf(state::Store::Open(dir_.path()))), group_(host_, *store_) {}

  // Adds a create for each name, all in one group. What each of them was answered.
  std::vector<absl::Status> CreateTogether(const std::vector<std::string>& names) {
    std::vector<absl::Status> answers(names.size(), absl::UnknownError("not answered"));
    testing::Gate added;
    host_.Post([&] {
      for (size_t i = 0; i < names.size(); ++i) {
        group_.Add([this, name = names[i]] { return Create(name); },
                   [&answers, i](const absl::Status& outcome) { answers[i] = outcome; });
      }
      // Behind the group.
      host_.Post([&added] { added.Open(); });
    });
    REQUIRE(added.WaitOpen());
    return answers;
  }

  std::set<uint32_t> Cids() {
    std::set<uint32_t> cids;
    for (const state::VmRecord& vm : ValueOf(store_->ListVms())) cids.insert(vm.guest_cid);
    return cids;
  }
  int tries() const { return tries_; }

 private:
  absl::Status Create(const std::string& name) {
    ++tries_;
    state::NewVm vm;
    vm.name = name;
    vm.config.backend = "local";
    return store_->CreateVm(vm).status();
  }

  testing::TempDir dir_;
  std::unique_ptr<state::Store> store_;
  int tries_ = 0;
  Sequence host_{"host"};
  CommitGroup group_;
};

TEST_CASE("changes that queue up are all made, each with its own answer", "[daemon][commit]") {
  GroupContext context;
  const auto answers = context.CreateTogether({"ant", "bee", "ant", "cat"});
  REQUIRE_OK(answers[0]);
  REQUIRE_OK(answers[1]);
  CHECK(answers[2].code() == absl::StatusCode::kAlreadyExists);
  REQUIRE_OK(answers[3]);
  CHECK(context.Cids() == std::set<uint32_t>{3, 4, 5});
  CHECK(context.tries() == 4);
}

TEST_CASE("a change that comes alone is committed alone", "[daemon][commit]") {
  GroupContext context;
  REQUIRE_OK(context.CreateTogether({"ant"})[0]);
  REQUIRE_OK(context.CreateTogether({"bee"})[0]);
  CHECK(context.Cids() == std::set<uint32_t>{3, 4});
}

TEST_CASE("where the disk is full every change is refused for that, and nothing is left of them",
          "[daemon][commit]") {
  GroupContext context;
  REQUIRE_OK(context.CreateTogether({"ant"})[0]);
  {
    const testing::FullDisk full;
    for (const absl::Status& answer : context.CreateTogether({"bee", "cat", "dog"})) {
      CHECK(answer.code() == absl::StatusCode::kResourceExhausted);
    }
  }
  CHECK(context.Cids() == std::set<uint32_t>{3});
  const auto answers = context.CreateTogether({"bee", "cat"});
  REQUIRE_OK(answers[0]);
  REQUIRE_OK(answers[1]);
  CHECK(context.Cids() == std::set<uint32_t>{3, 4, 5});
}

}  // namespace
}  // namespace ember::daemon
