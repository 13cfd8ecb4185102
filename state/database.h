#pragma once

#include <concepts>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/status_macros.h"

struct sqlite3;
struct sqlite3_stmt;

// SQLite with owners and statuses. Errors carry the path of the file; their codes:
//   ResourceExhausted   the disk, the quota or the size limit is full (and out of memory)
//   Unavailable         another process has the database locked
//   AlreadyExists       UNIQUE or PRIMARY KEY is violated; the message ends in SQLite's words for
//                       it, such as "UNIQUE constraint failed: vm.name"
//   FailedPrecondition  any other constraint (CHECK, NOT NULL, FOREIGN KEY, STRICT type)
//   DataLoss            the file is damaged or no database
//   PermissionDenied    the file may not be opened or written
//   Internal            anything else: a defect of ours, or an I/O error
namespace ember::state {

class Database;

// A prepared statement on loan from its database, which keeps it prepared for the next use. Move
// only. Must not outlive the database. Not thread-safe.
class Statement {
 public:
  Statement(Statement&& other) noexcept
      : database_(other.database_),
        statement_(std::exchange(other.statement_, nullptr)),
        home_(other.home_) {}
  Statement& operator=(Statement&&) = delete;
  ~Statement();

  // Binds `values` to the parameters ?1, ?2, … (integers, text, std::optional of these, or
  // std::nullopt) and starts over. Integers are stored as 64 bits with a sign.
  template <typename... Values>
  absl::Status Bind(const Values&... values) {
    RETURN_IF_ERROR(Restart(sizeof...(values)));
    [[maybe_unused]] int index = 0;
    absl::Status status;
    ((status.ok() ? status = BindValue(++index, values) : status), ...);
    return status;
  }

  // Moves to the next row: true on one, false after the last.
  absl::StatusOr<bool> Next();

  // Bind, then run to the end; rows are dropped.
  template <typename... Values>
  absl::Status Run(const Values&... values) {
    RETURN_IF_ERROR(Bind(values...));
    return Finish();
  }

  // Columns of the current row, from 0. Valid only after Next answered true.
  int64_t Int64(int column) const;
  std::string Text(int column) const;  // NULL is ""
  bool IsNull(int column) const;

 private:
  friend class Database;
  Statement(Database& database, sqlite3_stmt* statement, std::vector<sqlite3_stmt*>& home)
      : database_(&database), statement_(statement), home_(&home) {}

  absl::Status Restart(size_t parameters);
  absl::Status Finish();
  absl::Status BindInt64(int index, int64_t value);
  absl::Status BindText(int index, std::string_view value);
  absl::Status BindNull(int index);

  absl::Status BindValue(int index, std::integral auto value) {
    return BindInt64(index, static_cast<int64_t>(value));
  }
  absl::Status BindValue(int index, std::string_view value) { return BindText(index, value); }
  absl::Status BindValue(int index, std::nullopt_t) { return BindNull(index); }
  template <typename T>
  absl::Status BindValue(int index, const std::optional<T>& value) {
    return value.has_value() ? BindValue(index, *value) : BindNull(index);
  }

  Database* database_;
  sqlite3_stmt* statement_;           // goes back to `home_`; null once moved away
  std::vector<sqlite3_stmt*>* home_;  // of the database
};

// One SQLite database file, opened by this process alone (exclusive locking mode). Not thread-safe;
// may be used from one thread at a time.
class Database {
 public:
  // Opens `path`, making it with mode 0600 if it is absent, and checks it: a file that is damaged
  // or no database is DataLoss with a hint how to go on. Foreign keys are on. Whatever is wrong,
  // and until Trust is called, neither the file nor its write-ahead log is changed.
  static absl::StatusOr<std::unique_ptr<Database>> Open(const std::filesystem::path& path);
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;
  // Every Statement is gone by then. A trusted database is checkpointed into its one file.
  ~Database();

  // The content is known to be ours: from now on the file may be written (write-ahead log,
  // synchronous=FULL: a committed transaction is on disk).
  absl::Status Trust();

  // A statement that stays prepared; `sql` is one statement. Cheap after the first time.
  absl::StatusOr<Statement> Prepare(std::string_view sql);

  // Runs a script of any number of statements without parameters.
  absl::Status Execute(const std::string& script);

  // The first column of the first row; NotFound when there is no row.
  absl::StatusOr<int64_t> QueryInt64(std::string_view sql);

  // Rows that the latest INSERT, UPDATE or DELETE changed itself (not by cascade).
  int64_t changed_rows() const;
  // The rowid, or INTEGER PRIMARY KEY, of the latest row that was inserted.
  int64_t last_row_id() const;
  // True between Transaction::Begin and its end. Some errors, such as a full disk, make SQLite roll
  // back all of a transaction at once: then it is false at once.
  bool in_transaction() const;
  const std::filesystem::path& path() const { return path_; }

 private:
  friend class Statement;
  friend class Transaction;
  struct Closer {
    void operator()(sqlite3* connection) const;
  };

  Database(std::filesystem::path path, std::unique_ptr<sqlite3, Closer> connection);
  absl::Status Configure();
  absl::Status CheckIntegrity();
  // The status of a failed call; `code` is SQLite's extended result code. To be asked right after
  // the call, which started with errno 0.
  absl::Status Error(int code) const;

  const std::filesystem::path path_;
  std::unique_ptr<sqlite3, Closer> connection_;
  // Prepared and idle statements by their text. Several of one text where uses nest.
  std::unordered_map<std::string, std::vector<sqlite3_stmt*>> idle_;
};

// A write transaction (BEGIN IMMEDIATE), or inside one a part of it that can be undone alone (a
// savepoint): all or nothing. Rolled back when destroyed uncommitted. The inner one ends first. Not
// thread-safe.
class Transaction {
 public:
  static absl::StatusOr<Transaction> Begin(Database& database);
  Transaction(Transaction&& other) noexcept
      : database_(std::exchange(other.database_, nullptr)), part_(other.part_) {}
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction();

  // After success everything is on disk, or will be with the outer transaction. After a failure
  // nothing of the transaction can be seen any more; only where the disk itself failed to sync may
  // a crash soon after bring it back, whole.
  absl::Status Commit();

 private:
  Transaction(Database& database, bool part) : database_(&database), part_(part) {}

  Database* database_;  // null once committed or moved away
  bool part_;           // a savepoint
};

}  // namespace ember::state
