#include "guest-agent/account.h"

#include "tests/support/status_matchers.h"

using namespace ember;
using namespace ember::agent;
using ember::testing::ValueOf;

namespace {

const AccountFiles kFiles = {
    "root:x:0:0:root:/root:/bin/bash\n"
    "broken line\n"
    "badid:x:abc:0::/:\n"
    "web:x:1000:1000:Web,,,:/home/web:/bin/zsh\n"
    "bare:x:1001:1001:::\n"
    "42:x:7:8::/seven:/bin/sh\n",
    "root:x:0:\nweb:x:1000:web\ndocker:x:20:bare,web\nwheel:x:21:web\nagain:x:20:web\nbad:x:x:web\n"
    "half:x\n"};

}  // namespace

TEST_CASE("a user is found by name and by number", "[agent][account]") {
  const Account web{1000, 1000, {20, 21}, "web", "/home/web", "/bin/zsh"};
  CHECK(ValueOf(ResolveAccount("web", kFiles)) == web);
  CHECK(ValueOf(ResolveAccount("1000", kFiles)) == web);
}

TEST_CASE("a name goes before a number", "[agent][account]") {
  CHECK(ValueOf(ResolveAccount("42", kFiles)).uid == 7);
}

TEST_CASE("empty fields of a line have usable values", "[agent][account]") {
  const Account bare = ValueOf(ResolveAccount("bare", kFiles));
  CHECK(bare.home == "/");
  CHECK(bare.shell == "/bin/sh");
  CHECK(bare.groups == std::vector<gid_t>{20});
}

TEST_CASE("an explicit group replaces the supplementary ones", "[agent][account]") {
  CHECK(ValueOf(ResolveAccount("web:wheel", kFiles)).gid == 21);
  CHECK(ValueOf(ResolveAccount("web:99", kFiles)).gid == 99);
  CHECK(ValueOf(ResolveAccount("web:wheel", kFiles)).groups.empty());
}

TEST_CASE("a number without a line works, and never gets group 0", "[agent][account]") {
  const Account nameless = ValueOf(ResolveAccount("5000", kFiles));
  CHECK(nameless == Account{5000, 5000, {}, "5000", "/", "/bin/sh"});
}

TEST_CASE("root needs no files", "[agent][account]") {
  const Account root{0, 0, {}, "root", "/root", "/bin/sh"};
  CHECK(ValueOf(ResolveAccount("root", {})) == root);
  CHECK(ValueOf(ResolveAccount("0", {})) == root);
}

TEST_CASE("unknown names and empty parts are refused", "[agent][account]") {
  CHECK(absl::IsNotFound(ResolveAccount("ghost", kFiles).status()));
  CHECK(absl::IsNotFound(ResolveAccount("badid", kFiles).status()));
  CHECK(absl::IsNotFound(ResolveAccount("web:ghosts", kFiles).status()));
  CHECK(absl::IsNotFound(ResolveAccount("-1", kFiles).status()));
  CHECK(absl::IsNotFound(ResolveAccount("4294967295", kFiles).status()));
  CHECK(absl::IsInvalidArgument(ResolveAccount("", kFiles).status()));
  CHECK(absl::IsInvalidArgument(ResolveAccount(":wheel", kFiles).status()));
  CHECK(absl::IsInvalidArgument(ResolveAccount("web:", kFiles).status()));
}
