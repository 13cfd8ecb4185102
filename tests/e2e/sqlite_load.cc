// A guest's database under load, for tests of forks: static, so that it runs in any image.
//
//   sqlite_load write FILE   adds rows, one transaction each, until it is ended
//   sqlite_load check FILE   prints "ok ROWS" where SQLite finds nothing wrong and the rows add up,
//                            else what is wrong; ends with 1 then
#include <sqlite3.h>

#include <cstdio>
#include <cstring>
#include <string>

namespace {

int Fail(sqlite3* database, const char* what) {
  std::printf("%s: %s\n", what, sqlite3_errmsg(database));
  return 1;
}

// The first column of the first row.
std::string Ask(sqlite3* database, const char* query) {
  sqlite3_stmt* statement = nullptr;
  std::string answer = "no answer";
  if (sqlite3_prepare_v2(database, query, -1, &statement, nullptr) == SQLITE_OK &&
      sqlite3_step(statement) == SQLITE_ROW) {
    answer = reinterpret_cast<const char*>(sqlite3_column_text(statement, 0));
  }
  sqlite3_finalize(statement);
  return answer;
}

// The total stands in a table of its own, changed with every row: half a transaction shows.
int Write(sqlite3* database) {
  constexpr const char* kMake =
      "PRAGMA synchronous = FULL;"
      "BEGIN IMMEDIATE;"
      "CREATE TABLE IF NOT EXISTS entry (id INTEGER PRIMARY KEY, value INTEGER, filling BLOB);"
      "CREATE TABLE IF NOT EXISTS total (sum INTEGER);"
      "INSERT INTO total SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM total);"
      "COMMIT;";
  constexpr const char* kAdd =
      "BEGIN IMMEDIATE;"
      "INSERT INTO entry (value, filling) VALUES (abs(random() % 1000), randomblob(2000));"
      "UPDATE total SET sum = sum + (SELECT value FROM entry WHERE id = last_insert_rowid());"
      "COMMIT;";
  if (sqlite3_exec(database, kMake, nullptr, nullptr, nullptr) != SQLITE_OK) {
    return Fail(database, "make");
  }
  while (sqlite3_exec(database, kAdd, nullptr, nullptr, nullptr) == SQLITE_OK) {
  }
  return Fail(database, "add");
}

int Check(sqlite3* database) {
  // One transaction, so that all answers are of one moment while another process writes.
  if (sqlite3_exec(database, "BEGIN", nullptr, nullptr, nullptr) != SQLITE_OK) {
    return Fail(database, "begin");
  }
  if (Ask(database, "SELECT count(*) FROM sqlite_schema") == "0") {
    std::printf("ok 0\n");  // the writer has not begun
    return 0;
  }
  const std::string sound = Ask(database, "PRAGMA integrity_check");
  const std::string sum = Ask(database, "SELECT coalesce(sum(value), 0) FROM entry");
  const std::string total = Ask(database, "SELECT sum FROM total");
  if (sound != "ok" || sum != total) {
    std::printf("%s, sum %s, total %s\n", sound.c_str(), sum.c_str(), total.c_str());
    return 1;
  }
  std::printf("ok %s\n", Ask(database, "SELECT count(*) FROM entry").c_str());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  sqlite3* database = nullptr;
  if (sqlite3_open(argv[2], &database) != SQLITE_OK) return Fail(database, "open");
  sqlite3_busy_timeout(database, 10'000);
  return std::strcmp(argv[1], "write") == 0 ? Write(database) : Check(database);
}
