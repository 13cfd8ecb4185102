#include "state/database.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "base/check.h"
#include "base/fault_point.h"
#include "base/status.h"
#include "base/unique_fd.h"

namespace ember::state {
namespace {

// How long an open may wait for another process that looks into the file, in milliseconds. Once the
// file is ours nobody else can lock it.
constexpr int kBusyTimeoutMs = 2000;

// A database has at least one page; the bytes of the smallest that SQLite knows.
constexpr off_t kSmallestPage = 512;

std::filesystem::path WalOf(const std::filesystem::path& path) { return path.native() + "-wal"; }

uintmax_t SizeOrZero(const std::filesystem::path& path) {
  std::error_code error;
  const uintmax_t size = std::filesystem::file_size(path, error);
  return error ? 0 : size;
}

absl::Status Damaged(const std::filesystem::path& path, std::string_view what) {
  const std::string& file = path.native();
  std::string moves = fmt::format("mv {0} {0}.damaged", file);
  std::error_code error;
  if (std::filesystem::exists(WalOf(path), error)) {
    moves += fmt::format(" && mv {0}-wal {0}-wal.damaged", file);
  }
  return WithReason(
      WithHint(DataLoss("{} is damaged: {}", file, what),
               fmt::format("nothing was changed; put a backup in its place, or move it aside "
                           "and start with an empty state: {}",
                           moves)),
      "STATE_DAMAGED");
}

// Makes the file if it is absent and refuses one that could not be written later, or whose log is
// all that is left: SQLite would drop that log without a word.
absl::Status PrepareFile(const std::filesystem::path& path) {
  struct stat found = {};
  const bool absent = stat(path.c_str(), &found) != 0;
  if (absent && errno != ENOENT) return ErrnoStatus(errno, path.native());
  if ((absent || found.st_size == 0) && SizeOrZero(WalOf(path)) > 0) {
    return Damaged(path, fmt::format("it is {}, but its log {} is not",
                                     absent ? "missing" : "empty", WalOf(path).native()));
  }
  if (absent) {
    UniqueFd made(open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    return made.valid() ? absl::OkStatus() : ErrnoStatus(errno, path.native());
  }
  if (!S_ISREG(found.st_mode)) return FailedPrecondition("{} is not a file", path.native());
  if (found.st_size > 0 && found.st_size < kSmallestPage) {
    // SQLite takes one byte for an empty database.
    return Damaged(path, "it is cut short");
  }
  // Not by opening it: closing a descriptor drops the locks that this process has on the file.
  if (faccessat(AT_FDCWD, path.c_str(), R_OK | W_OK, AT_EACCESS) != 0) {
    return WithHint(ErrnoStatus(errno, path.native()),
                    "run the daemon as the owner of its state directory, on a writable filesystem");
  }
  return absl::OkStatus();
}

absl::Status DiskFull(const std::filesystem::path& path, std::string_view what) {
  return WithHint(ResourceExhausted("{}: {}", path.native(), what),
                  fmt::format("nothing was changed; free some space where {} is: df {}",
                              path.native(), path.parent_path().native()));
}

// A failed system call under SQLite.
absl::Status SystemError(const std::filesystem::path& path, int error, std::string_view what) {
  const std::string subject = fmt::format("{}: {}", path.native(), what);
  if (error == ENOSPC || error == EDQUOT || error == EFBIG) {
    return DiskFull(path, fmt::format("{}: {}", what, std::generic_category().message(error)));
  }
  return error == 0 ? Internal("{}", subject) : ErrnoStatus(error, subject);
}

absl::Status Violation(const std::filesystem::path& path, int code, std::string_view what) {
  switch (code) {
    case SQLITE_CONSTRAINT_UNIQUE:
    case SQLITE_CONSTRAINT_PRIMARYKEY:
    case SQLITE_CONSTRAINT_ROWID:
      return AlreadyExists("{}: {}", path.native(), what);
    default:
      return FailedPrecondition("{}: {}", path.native(), what);
  }
}

}  // namespace

// --- Statement. ---

Statement::~Statement() {
  if (statement_ == nullptr) return;
  // The error of the latest step was returned by it.
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
  home_->push_back(statement_);
}

absl::Status Statement::Restart(size_t parameters) {
  sqlite3_reset(statement_);
  EMBER_CHECK(static_cast<size_t>(sqlite3_bind_parameter_count(statement_)) == parameters);
  return absl::OkStatus();
}

absl::StatusOr<bool> Statement::Next() {
  errno = 0;
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return database_->Error(code);
}

absl::Status Statement::Finish() {
  while (true) {
    ASSIGN_OR_RETURN(const bool row, Next());
    if (!row) return absl::OkStatus();
  }
}

absl::Status Statement::BindInt64(int index, int64_t value) {
  const int code = sqlite3_bind_int64(statement_, index, value);
  return code == SQLITE_OK ? absl::OkStatus() : database_->Error(code);
}

absl::Status Statement::BindText(int index, std::string_view value) {
  // An empty view may have no address, which SQLite would take for NULL.
  const char* text = value.empty() ? "" : value.data();
  const int code =
      sqlite3_bind_text64(statement_, index, text, value.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
  return code == SQLITE_OK ? absl::OkStatus() : database_->Error(code);
}

absl::Status Statement::BindNull(int index) {
  const int code = sqlite3_bind_null(statement_, index);
  return code == SQLITE_OK ? absl::OkStatus() : database_->Error(code);
}

int64_t Statement::Int64(int column) const { return sqlite3_column_int64(statement_, column); }

std::string Statement::Text(int column) const {
  const unsigned char* text = sqlite3_column_text(statement_, column);
  if (text == nullptr) return {};
  const int size = sqlite3_column_bytes(statement_, column);
  return std::string(reinterpret_cast<const char*>(text), static_cast<size_t>(size));
}

bool Statement::IsNull(int column) const {
  return sqlite3_column_type(statement_, column) == SQLITE_NULL;
}

// --- Database. ---

void Database::Closer::operator()(sqlite3* connection) const {
  // Fails only when a statement is still out: its owner outlived the database.
  EMBER_CHECK(sqlite3_close(connection) == SQLITE_OK);
}

Database::Database(std::filesystem::path path, std::unique_ptr<sqlite3, Closer> connection)
    : path_(std::move(path)), connection_(std::move(connection)) {}

Database::~Database() {
  for (auto& [sql, statements] : idle_) {
    for (sqlite3_stmt* statement : statements) sqlite3_finalize(statement);
  }
}

absl::StatusOr<std::unique_ptr<Database>> Database::Open(const std::filesystem::path& path) {
  // Nobody reads SQLite's account of its memory, which costs a lock at each allocation. Before its
  // first use in this process; later it changes nothing.
  static const int kNoAccount = sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
  static_cast<void>(kNoAccount);
  RETURN_IF_ERROR(PrepareFile(path));
  sqlite3* raw = nullptr;
  errno = 0;
  const int code =
      sqlite3_open_v2(path.c_str(), &raw,
                      SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, nullptr);
  // SQLite makes a connection also where opening fails, except for lack of memory.
  if (raw == nullptr) return ResourceExhausted("{}: out of memory", path.native());
  std::unique_ptr<Database> database(new Database(path, std::unique_ptr<sqlite3, Closer>(raw)));
  if (code != SQLITE_OK) return database->Error(code);
  RETURN_IF_ERROR(database->Configure());
  RETURN_IF_ERROR(database->CheckIntegrity());
  return database;
}

absl::Status Database::Configure() {
  sqlite3_busy_timeout(connection_.get(), kBusyTimeoutMs);
  // Without a checkpoint at close a file that is refused stays as it is.
  for (const auto& [option, value] :
       {std::pair{SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1}, std::pair{SQLITE_DBCONFIG_DEFENSIVE, 1},
        std::pair{SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0}, std::pair{SQLITE_DBCONFIG_DQS_DML, 0},
        std::pair{SQLITE_DBCONFIG_DQS_DDL, 0}}) {
    const int code = sqlite3_db_config(connection_.get(), option, value, nullptr);
    if (code != SQLITE_OK) return Error(code);
  }
  // The exclusive mode keeps other processes out for as long as we live and needs no shared memory
  // file beside the database. The log goes into the database every 1000 pages (4 MB), which stops
  // one commit for some milliseconds; its file keeps that size, since overwriting it costs a sync
  // less than letting it grow again. The cache (8 MiB at most) holds the rows of thousands of VMs.
  return Execute(
      "PRAGMA locking_mode = EXCLUSIVE;"
      "PRAGMA foreign_keys = ON;"
      "PRAGMA synchronous = FULL;"
      "PRAGMA temp_store = MEMORY;"
      "PRAGMA cache_size = -8192;"
      "PRAGMA cell_size_check = ON;"
      "PRAGMA wal_autocheckpoint = 1000;"
      "PRAGMA journal_size_limit = 8388608;");
}

absl::Status Database::CheckIntegrity() {
  ASSIGN_OR_RETURN(Statement check, Prepare("PRAGMA integrity_check(1)"));
  RETURN_IF_ERROR(check.Bind());
  ASSIGN_OR_RETURN(const bool row, check.Next());
  const std::string verdict = row ? check.Text(0) : "no answer from its check";
  return verdict == "ok" ? absl::OkStatus() : Damaged(path_, verdict);
}

absl::Status Database::Trust() {
  RETURN_IF_ERROR(Execute("PRAGMA journal_mode = WAL;"));
  const int code =
      sqlite3_db_config(connection_.get(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, nullptr);
  return code == SQLITE_OK ? absl::OkStatus() : Error(code);
}

absl::StatusOr<Statement> Database::Prepare(std::string_view sql) {
  // Neither a rehash nor a new key moves a value of the map: statements keep a pointer to theirs.
  std::vector<sqlite3_stmt*>& home = idle_[std::string(sql)];
  if (!home.empty()) {
    sqlite3_stmt* statement = home.back();
    home.pop_back();
    return Statement(*this, statement, home);
  }
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v3(connection_.get(), sql.data(), static_cast<int>(sql.size()),
                                      SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
  if (code != SQLITE_OK) return Error(code);
  EMBER_CHECK(statement != nullptr);
  return Statement(*this, statement, home);
}

absl::Status Database::Execute(const std::string& script) {
  errno = 0;
  const int code = sqlite3_exec(connection_.get(), script.c_str(), nullptr, nullptr, nullptr);
  return code == SQLITE_OK ? absl::OkStatus() : Error(code);
}

absl::StatusOr<int64_t> Database::QueryInt64(std::string_view sql) {
  ASSIGN_OR_RETURN(Statement query, Prepare(sql));
  RETURN_IF_ERROR(query.Bind());
  ASSIGN_OR_RETURN(const bool row, query.Next());
  if (!row) return NotFound("{}: no row for '{}'", path_.native(), sql);
  return query.Int64(0);
}

int64_t Database::changed_rows() const { return sqlite3_changes64(connection_.get()); }

int64_t Database::last_row_id() const { return sqlite3_last_insert_rowid(connection_.get()); }

bool Database::in_transaction() const { return sqlite3_get_autocommit(connection_.get()) == 0; }

absl::Status Database::Error(int code) const {
  // sqlite3_system_errno knows nothing of what failed in a COMMIT, errno does.
  const int system_error = errno;
  const std::string_view what = sqlite3_errmsg(connection_.get());
  if (code == SQLITE_READONLY_DBMOVED) {
    return FailedPrecondition("{} was moved or removed while in use", path_.native());
  }
  switch (code & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return Damaged(path_, what);
    case SQLITE_FULL:
      return DiskFull(path_, what);
    case SQLITE_NOMEM:
      return ResourceExhausted("{}: {}", path_.native(), what);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return WithHint(Unavailable("{} is in use by another process", path_.native()),
                      fmt::format("find it and end it: fuser -v {}", path_.native()));
    case SQLITE_CONSTRAINT:
      return Violation(path_, code, what);
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
      return PermissionDenied("{}: {}", path_.native(), what);
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
      return SystemError(path_, system_error, what);
    default:
      return Internal("{}: {} (SQLite code {})", path_.native(), what, code);
  }
}

// --- Transaction. ---

absl::StatusOr<Transaction> Transaction::Begin(Database& database) {
  RETURN_IF_ERROR(FaultPoint("store/begin"));
  const bool part = database.in_transaction();
  ASSIGN_OR_RETURN(Statement begin, database.Prepare(part ? "SAVEPOINT part" : "BEGIN IMMEDIATE"));
  RETURN_IF_ERROR(begin.Run());
  return Transaction(database, part);
}

Transaction::~Transaction() {
  // SQLite has rolled back by itself after some errors, e.g. a full disk. A rollback that fails
  // leaves nothing either: what is not committed is ignored by whoever reads the log.
  if (database_ == nullptr || !database_->in_transaction()) return;
  const std::string_view undo = part_ ? "ROLLBACK TO part" : "ROLLBACK";
  if (auto rollback = database_->Prepare(undo); rollback.ok()) rollback->Run().IgnoreError();
  if (!part_) return;
  // The savepoint is still there, empty.
  if (auto release = database_->Prepare("RELEASE part"); release.ok()) release->Run().IgnoreError();
}

absl::Status Transaction::Commit() {
  RETURN_IF_ERROR(FaultPoint("store/commit"));
  ASSIGN_OR_RETURN(Statement commit, database_->Prepare(part_ ? "RELEASE part" : "COMMIT"));
  RETURN_IF_ERROR(commit.Run());
  CrashPoint("store/committed");
  database_ = nullptr;
  return absl::OkStatus();
}

}  // namespace ember::state
