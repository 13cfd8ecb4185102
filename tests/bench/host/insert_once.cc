// What the daemonless design did for each VM: a process that opens the database, takes the lowest
// free CID under BEGIN IMMEDIATE, inserts, and closes. usage: bench_insert_once DATABASE NAME
#include <sqlite3.h>

#include <cstdio>
#include <memory>

namespace {

constexpr int kBusyMs = 60'000;
constexpr const char* kLowestFree =
    "SELECT coalesce(min(cid) + 1, 3) FROM lease"
    " WHERE NOT EXISTS (SELECT 1 FROM lease AS next WHERE next.cid = lease.cid + 1)";

int Fail(sqlite3* database) {
  std::fprintf(stderr, "error: %s\n", sqlite3_errmsg(database));
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  sqlite3* raw = nullptr;
  const int opened = sqlite3_open(argv[1], &raw);
  const std::unique_ptr<sqlite3, decltype(&sqlite3_close)> database(raw, sqlite3_close);
  if (opened != SQLITE_OK) return Fail(raw);
  sqlite3_busy_timeout(raw, kBusyMs);
  const auto run = [raw](const char* sql) {
    return sqlite3_exec(raw, sql, nullptr, nullptr, nullptr) == SQLITE_OK;
  };
  const std::unique_ptr<char, decltype(&sqlite3_free)> insert_vm(
      sqlite3_mprintf("INSERT INTO vm VALUES(%Q)", argv[2]), sqlite3_free);
  const std::unique_ptr<char, decltype(&sqlite3_free)> insert_lease(
      sqlite3_mprintf("INSERT INTO lease SELECT (%s), %Q", kLowestFree, argv[2]), sqlite3_free);
  // As safe as the daemon: on disk before the process ends.
  const bool done = run("PRAGMA synchronous = FULL") && run("BEGIN IMMEDIATE") &&
                    run(insert_vm.get()) && run(insert_lease.get()) && run("COMMIT");
  return done ? 0 : Fail(raw);
}
