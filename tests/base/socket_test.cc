#include "base/socket.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/catch.h"
#include "tests/support/file_mode.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace ember {
namespace {

using testing::ModeOf;
using testing::TempDir;
using testing::ValueOf;

TEST_CASE("a socket path may have 103 bytes and no more", "[base][socket]") {
  CHECK(CheckSocketPath("/" + std::string(102, 'x')).ok());
  const std::string long_path = "/" + std::string(103, 'x');
  const absl::Status status = CheckSocketPath(long_path);
  CHECK(status.code() == absl::StatusCode::kInvalidArgument);
  CHECK(Message(status) == "socket path is 104 bytes long, the limit is 103: " + long_path);
  CHECK(HintOf(status).has_value());
  CHECK(ListenUnix(long_path, 0600).status() == status);
  CHECK(ConnectUnix(long_path).status() == status);
}

TEST_CASE("a listening socket has the asked mode, whatever the umask", "[base][socket]") {
  const TempDir dir;
  const mode_t before = umask(0);
  const auto open = ListenUnix(dir / "a", 0600);
  umask(0777);
  const auto closed = ListenUnix(dir / "b", 0660);
  umask(before);
  REQUIRE_OK(open);
  REQUIRE_OK(closed);
  CHECK(ModeOf(dir / "a") == 0600);
  CHECK(ModeOf(dir / "b") == 0660);
}

TEST_CASE("descriptors are close-on-exec and do not block", "[base][socket]") {
  const TempDir dir;
  const UniqueFd listener = ValueOf(ListenUnix(dir / "s", 0600));
  const UniqueFd client = ValueOf(ConnectUnix(dir / "s"));
  const UniqueFd server = ValueOf(AcceptUnix(listener.get()));
  for (const UniqueFd* fd : {&listener, &client, &server}) {
    REQUIRE(fd->valid());
    CHECK((fcntl(fd->get(), F_GETFD) & FD_CLOEXEC) != 0);
    CHECK((fcntl(fd->get(), F_GETFL) & O_NONBLOCK) != 0);
  }
  CHECK_FALSE(ValueOf(AcceptUnix(listener.get())).valid());
}

TEST_CASE("a stale socket file is replaced", "[base][socket]") {
  const TempDir dir;
  ValueOf(ListenUnix(dir / "s", 0600)).Reset();
  REQUIRE(std::filesystem::exists(dir / "s"));
  CHECK(ConnectUnix(dir / "s").status().code() == absl::StatusCode::kUnavailable);
  const UniqueFd listener = ValueOf(ListenUnix(dir / "s", 0600));
  CHECK(ConnectUnix(dir / "s").ok());
}

TEST_CASE("a socket that is answered is left alone", "[base][socket]") {
  const TempDir dir;
  const UniqueFd listener = ValueOf(ListenUnix(dir / "s", 0600));
  CHECK(ListenUnix(dir / "s", 0600).status().code() == absl::StatusCode::kAlreadyExists);
  CHECK(ConnectUnix(dir / "s").ok());
}

TEST_CASE("a socket whose listener is too busy to answer is left alone", "[base][socket]") {
  const TempDir dir;
  const UniqueFd listener = ValueOf(ListenUnix(dir / "s", 0600, 1));
  std::vector<UniqueFd> waiting;
  absl::Status full;
  for (int i = 0; i < 100 && full.ok(); ++i) {
    auto client = ConnectUnix(dir / "s");
    full = client.status();
    if (client.ok()) waiting.push_back(*std::move(client));
  }
  REQUIRE(full.code() == absl::StatusCode::kUnavailable);
  CHECK(ListenUnix(dir / "s", 0600).status().code() == absl::StatusCode::kAlreadyExists);
  CHECK(ValueOf(AcceptUnix(listener.get())).valid());
  CHECK(ConnectUnix(dir / "s").ok());
}

TEST_CASE("a file that is no socket is left alone", "[base][socket]") {
  const TempDir dir;
  std::ofstream(dir / "s") << "precious";
  CHECK(ListenUnix(dir / "s", 0600).status().code() == absl::StatusCode::kAlreadyExists);
  CHECK(std::filesystem::file_size(dir / "s") == 8);
}

TEST_CASE("connecting to nothing is not found", "[base][socket]") {
  const TempDir dir;
  CHECK(ConnectUnix(dir / "absent").status().code() == absl::StatusCode::kNotFound);
  CHECK(ListenUnix(dir / "absent" / "s", 0600).status().code() == absl::StatusCode::kNotFound);
}

TEST_CASE("a peer's credentials are its process and user", "[base][socket]") {
  auto [a, b] = ValueOf(SocketPair());
  const PeerCredentials peer = ValueOf(PeerOf(a.get()));
  CHECK(peer.pid == getpid());
  CHECK(peer.uid == geteuid());
  CHECK(peer.gid == getegid());
}

TEST_CASE("whole messages pass though neither side takes them at once", "[base][socket]") {
  auto [a, b] = ValueOf(SocketPair());
  const std::string sent(4 << 20, 'x');
  const Cancellation limit = Cancellation::After(absl::Seconds(10));
  absl::Status written;
  std::thread writer([&, fd = a.get()] { written = WriteFully(fd, sent, limit); });
  std::string got(sent.size(), '\0');
  const absl::Status read = ReadFully(b.get(), got.data(), got.size(), limit);
  writer.join();
  REQUIRE_OK(written);
  REQUIRE_OK(read);
  CHECK(got == sent);
}

TEST_CASE("a peer that is gone is unavailable to reader and writer", "[base][socket]") {
  auto [a, b] = ValueOf(SocketPair());
  REQUIRE_OK(WriteFully(b.get(), "ab", {}));
  b.Reset();
  char buffer[4];
  const absl::Status read = ReadFully(a.get(), buffer, 4, {});
  CHECK(read.code() == absl::StatusCode::kUnavailable);
  CHECK(Message(read) == "the peer closed the connection after 2 of 4 bytes");
  CHECK(WriteFully(a.get(), "x", {}).code() == absl::StatusCode::kUnavailable);
}

TEST_CASE("waiting for bytes ends at the deadline", "[base][socket]") {
  auto [a, b] = ValueOf(SocketPair());
  char byte;
  CHECK(ReadFully(a.get(), &byte, 1, Cancellation::After(absl::Milliseconds(5))).code() ==
        absl::StatusCode::kDeadlineExceeded);
  CHECK(WriteFully(a.get(), std::string(8 << 20, 'x'), Cancellation::After(absl::Milliseconds(5)))
            .code() == absl::StatusCode::kDeadlineExceeded);
}

}  // namespace
}  // namespace ember
