#include "backends/vsock/connection_table.h"

#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/status_matchers.h"

namespace ember::vsock {
namespace {

using ember::testing::ValueOf;

TEST_CASE("what a worker noted is there for the next one", "[vsock][table]") {
  ConnectionTable table = ValueOf(ConnectionTable::Create());
  const pid_t worker = fork();
  if (worker == 0) {
    table.Insert({1, 10});
    table.Insert({2, 20});
    table.Erase({1, 10});
    _exit(static_cast<int>(table.NextHostPort() - (uint32_t{1} << 30)));
  }
  int status = 0;
  REQUIRE(waitpid(worker, &status, 0) == worker);
  CHECK(WEXITSTATUS(status) == 1);
  CHECK(table.TakeAll() == std::vector<ConnectionKey>{{2, 20}});
  CHECK(table.TakeAll().empty());
  CHECK(table.NextHostPort() == (uint32_t{1} << 30) + 2);
}

TEST_CASE("the table has a place for each connection, again and again", "[vsock][table]") {
  ConnectionTable table = ValueOf(ConnectionTable::Create());
  for (int round = 0; round < 2; ++round) {
    for (uint32_t i = 1; i <= kMaxConnections; ++i) table.Insert({i, 1});
    CHECK(table.TakeAll().size() == kMaxConnections);
  }
}

}  // namespace
}  // namespace ember::vsock
