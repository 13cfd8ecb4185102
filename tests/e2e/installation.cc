#include "tests/e2e/installation.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <set>
#include <utility>

#include "backends/hypervisor/process_tags.h"
#include "base/cancellation.h"
#include "base/file.h"
#include "base/socket.h"
#include "state/database.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

extern char** environ;

namespace ember::testing {
namespace {

const std::filesystem::path kPrograms = EMBER_BIN_DIR;
constexpr absl::Duration kToolLimit = absl::Seconds(180);

// Hard links where the filesystem allows: images never change.
void LinkTree(const std::filesystem::path& from, const std::filesystem::path& to) {
  std::error_code failed;
  std::filesystem::copy(from, to,
                        std::filesystem::copy_options::recursive |
                            std::filesystem::copy_options::copy_symlinks |
                            std::filesystem::copy_options::create_hard_links,
                        failed);
  if (!failed) return;
  std::filesystem::remove_all(to);
  ToolOptions copy;
  copy.argv = {"cp", "-a", "--sparse=always", from.native(), to.native()};
  REQUIRE(ValueOf(RunTool(copy, Cancellation::After(kToolLimit))).exit.code == 0);
}

std::vector<std::string> OwnEnvironment() {
  std::vector<std::string> entries;
  for (char** entry = environ; *entry != nullptr; ++entry) entries.emplace_back(*entry);
  return entries;
}

}  // namespace

std::optional<std::filesystem::path> PreparedState() {
  const char* prepared = std::getenv("EMBER_TEST_STATE");
  if (prepared == nullptr) return std::nullopt;
  return std::filesystem::path(prepared);
}

Installation::Installation(Shape shape)
    : shape_(std::move(shape)),
      state_dir_(shape_.state_dir.empty() ? dir_.path() : shape_.state_dir) {
  const auto prepared = PreparedState();
  if (!prepared.has_value() || !shape_.state_dir.empty()) return;
  for (const char* part : {"kernels", "images"}) LinkTree(*prepared / part, state_dir_ / part);
}

Installation::~Installation() {
  if (daemon_.has_value() && !daemon_->Ended()) {
    ToolOptions remove = EmberTool({"vm", "delete", "--all", "--force", "--quiet"});
    // The sweep below finds what this could not end.
    RunTool(remove, Cancellation::After(absl::Seconds(60))).status().IgnoreError();
    daemon_->Signal(SIGTERM).IgnoreError();
    if (!daemon_->Wait(Cancellation::After(absl::Seconds(10))).ok()) {
      daemon_->Signal(SIGKILL).IgnoreError();
      daemon_->Wait({}).status().IgnoreError();
    }
  }
  for (const ProcessIdentity& left : Tagged()) {
    if (auto process = Process::Open(left); process.ok()) {
      process->Signal(SIGKILL).IgnoreError();
      process->Wait(Cancellation::After(absl::Seconds(10))).status().IgnoreError();
    }
  }
}

void Installation::StartDaemon(std::vector<std::string> environment) {
  UniqueFd log(open(LogPath().c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  SpawnOptions options;
  options.argv = {shape_.daemon.empty() ? kPrograms / "emberhostd" : shape_.daemon, "--state-dir",
                  state_dir_, "--log-level", shape_.log_level};
  options.argv.insert(options.argv.end(), shape_.daemon_words.begin(), shape_.daemon_words.end());
  options.env = OwnEnvironment();
  for (const std::string& entry : environment) {
    const std::string key = entry.substr(0, entry.find('=') + 1);
    std::erase_if(*options.env, [&key](const std::string& old) { return old.starts_with(key); });
    options.env->push_back(entry);
  }
  options.stderr_fd = log.get();
  options.session = SessionMode::kOwn;
  daemon_ = ValueOf(Spawn(options));
  const Cancellation limit = Cancellation::After(absl::Seconds(60));
  while (!IsServing()) {
    INFO(DaemonLog());
    REQUIRE_FALSE(daemon_->Ended());
    REQUIRE_OK(limit.Pause(absl::Milliseconds(5), "the daemon's start"));
  }
  installation_id_ = Json({"host", "info"})["installation_id"];
}

bool Installation::IsServing() const {
  const auto connection = ConnectUnix(state_dir_ / "emberhostd.sock");
  if (!connection.ok()) return false;
  // A child that a killed daemon had just forked still has its socket for a moment.
  const auto peer = PeerOf(connection->get());
  return peer.ok() && peer->pid == daemon_->identity().pid;
}

void Installation::KillDaemon() {
  REQUIRE_OK(daemon_->Signal(SIGKILL));
  REQUIRE_OK(daemon_->Wait(Cancellation::After(absl::Seconds(10))));
}

ExitStatus Installation::AwaitDaemonEnd() {
  return ValueOf(daemon_->Wait(Cancellation::After(absl::Seconds(30))));
}

ExitStatus Installation::StopDaemon() {
  REQUIRE_OK(daemon_->Signal(SIGTERM));
  return ValueOf(daemon_->Wait(Cancellation::After(absl::Seconds(10))));
}

std::string Installation::DaemonLog() const { return ReadFile(LogPath()).value_or(""); }

ToolOptions Installation::EmberTool(std::vector<std::string> words) const {
  ToolOptions options;
  options.argv = {kPrograms / "ember", "--state-dir", state_dir_};
  options.argv.insert(options.argv.end(), words.begin(), words.end());
  return options;
}

ToolResult Installation::Ember(std::vector<std::string> words, std::string input) const {
  ToolOptions options = EmberTool(std::move(words));
  options.input = std::move(input);
  return ValueOf(RunTool(options, Cancellation::After(kToolLimit)));
}

std::string Installation::EmberOk(std::vector<std::string> words, std::string input) const {
  std::string line;
  for (const std::string& word : words) line += " " + word;
  ToolResult result = Ember(std::move(words), std::move(input));
  INFO("ember" << line << ": " << result.exit.Describe() << "\n"
               << result.err << "\n"
               << DaemonLog());
  REQUIRE(result.exit.code == 0);
  return std::move(result.out);
}

nlohmann::json Installation::Json(std::vector<std::string> words) const {
  words.insert(words.begin(), {"--format", "json"});
  return nlohmann::json::parse(EmberOk(std::move(words)));
}

nlohmann::json Installation::VmsAtRest() const {
  const std::set<std::string> restful = {"created", "running", "paused", "stopped", "failed"};
  const Cancellation limit = Cancellation::After(absl::Seconds(60));
  while (true) {
    nlohmann::json vms = Json({"vm", "list"});
    const bool rest = std::all_of(vms.begin(), vms.end(), [&restful](const nlohmann::json& vm) {
      return restful.contains(vm["status"]);
    });
    if (rest) return vms;
    INFO(vms.dump());
    REQUIRE_OK(limit.Pause(absl::Milliseconds(10), "the VMs to come to rest"));
  }
}

void Installation::CreateVm(const std::string& name, std::vector<std::string> more) {
  std::vector<std::string> words = {"vm",      "create",   name,   "--image",
                                    "busybox", "--memory", "128M", "--quiet"};
  words.insert(words.end(), more.begin(), more.end());
  EmberOk(std::move(words));
}

std::string Installation::Exec(const std::string& vm, std::vector<std::string> words,
                               std::string input) const {
  words.insert(words.begin(), {"exec", vm, "--"});
  return EmberOk(std::move(words), std::move(input));
}

int64_t Installation::CountRows(const std::string& table) const {
  auto database = ValueOf(state::Database::Open(state_dir_ / "state.db"));
  return ValueOf(database->QueryInt64("SELECT count(*) FROM " + table));
}

std::vector<ProcessIdentity> Installation::Tagged() const {
  if (installation_id_.empty()) return {};
  std::vector<ProcessIdentity> identities;
  auto tagged = hypervisor::FindTagged(installation_id_);
  REQUIRE_OK(tagged);
  for (const auto& process : *tagged) identities.push_back(process.identity);
  return identities;
}

}  // namespace ember::testing
