#include "base/byte_pump.h"

#include <sys/socket.h>

#include <memory>
#include <string>
#include <thread>

#include "base/socket.h"
#include "tests/support/catch.h"
#include "tests/support/gate.h"
#include "tests/support/status_matchers.h"

namespace ember {
namespace {

using testing::Gate;
using testing::ValueOf;

// A pump between two sockets whose far ends the test holds. Its calls block, for ten seconds at
// most.
struct PumpContext {
  explicit PumpContext(std::string first_bytes = "", std::string first_back = "") {
    auto [a, pump_left] = ValueOf(SocketPair());
    auto [b, pump_right] = ValueOf(SocketPair());
    left = std::move(a);
    right = std::move(b);
    BytePump::Sides sides{std::move(pump_left), std::move(pump_right), std::move(first_bytes),
                          std::move(first_back)};
    loop->Start();
    Gate started;
    loop->Post([&, sides = std::move(sides)]() mutable {
      handle = BytePump::Start(*loop, std::move(sides), [this] {
        ++ends;
        ended.Open();
      });
      started.Open();
    });
    REQUIRE(started.WaitOpen());
  }
  // The loop ends before what its callbacks use.
  ~PumpContext() { loop.reset(); }

  static Cancellation Limit() { return Cancellation::After(absl::Seconds(10)); }
  static void Write(const UniqueFd& fd, std::string_view bytes) {
    REQUIRE_OK(WriteFully(fd.get(), bytes, Limit()));
  }
  static std::string Read(const UniqueFd& fd, size_t size) {
    std::string bytes(size, '\0');
    REQUIRE_OK(ReadFully(fd.get(), bytes.data(), size, Limit()));
    return bytes;
  }
  static bool AtEnd(const UniqueFd& fd) {
    char byte;
    REQUIRE_OK(Limit().WaitReadable(fd.get(), "end"));
    return recv(fd.get(), &byte, 1, 0) == 0;
  }

  int ends = 0;  // touched on the loop, read when it has ended
  Gate ended;
  UniqueFd left, right;
  std::unique_ptr<EventLoop> loop = ValueOf(EventLoop::Create("test"));
  BytePump::Handle handle;
};

TEST_CASE("bytes go both ways, the ones read before first", "[base][byte_pump]") {
  PumpContext context("CONNECT ");
  context.Write(context.left, "5000\n");
  CHECK(context.Read(context.right, 13) == "CONNECT 5000\n");
  context.Write(context.right, "OK 1\n");
  CHECK(context.Read(context.left, 5) == "OK 1\n");
  CHECK_FALSE(context.ended.IsOpen());
}

TEST_CASE("bytes of both sides that were read before go first", "[base][byte_pump]") {
  PumpContext context("to the right, ", "to the left, ");
  context.Write(context.left, "more");
  context.Write(context.right, "more");
  CHECK(context.Read(context.right, 18) == "to the right, more");
  CHECK(context.Read(context.left, 17) == "to the left, more");
}

TEST_CASE("a half-close is passed on and the other way stays open", "[base][byte_pump]") {
  PumpContext context;
  context.Write(context.left, "question");
  shutdown(context.left.get(), SHUT_WR);
  CHECK(context.Read(context.right, 8) == "question");
  CHECK(context.AtEnd(context.right));
  context.Write(context.right, "answer");
  CHECK(context.Read(context.left, 6) == "answer");
  CHECK_FALSE(context.ended.IsOpen());
  shutdown(context.right.get(), SHUT_WR);
  CHECK(context.AtEnd(context.left));
  REQUIRE(context.ended.WaitOpen());
  context.loop->Stop();
  CHECK(context.ends == 1);
}

TEST_CASE("no byte of a long stream is lost to a slow reader and a close", "[base][byte_pump]") {
  PumpContext context;
  std::string stream(8 << 20, '\0');
  for (size_t i = 0; i < stream.size(); ++i) stream[i] = static_cast<char>(i * 2654435761u >> 13);
  absl::Status written;
  std::thread writer([&] {
    written = WriteFully(context.left.get(), stream, PumpContext::Limit());
    context.left.Reset();
  });
  const std::string got = context.Read(context.right, stream.size());
  writer.join();
  REQUIRE_OK(written);
  CHECK(got == stream);
  CHECK(context.AtEnd(context.right));
}

TEST_CASE("a side that stops reading stops the other", "[base][byte_pump]") {
  PumpContext context;
  const std::string chunk(64 << 10, 'x');
  size_t taken = 0;
  const Deadline limit = Deadline::After(absl::Seconds(10));
  // Until nothing was taken for a while.
  while (!limit.expired()) {
    const ssize_t sent = send(context.left.get(), chunk.data(), chunk.size(), MSG_NOSIGNAL);
    if (sent > 0) taken += static_cast<size_t>(sent);
    if (sent < 0 &&
        !Cancellation::After(absl::Milliseconds(50)).WaitWritable(context.left.get(), "").ok()) {
      break;
    }
  }
  CHECK_FALSE(limit.expired());
  CHECK(taken < size_t{4} << 20);
  CHECK(context.Read(context.right, taken) == std::string(taken, 'x'));
}

TEST_CASE("the last words of a side that takes no more are delivered", "[base][byte_pump]") {
  PumpContext context;
  // The right side refuses an upload that is under way: it answers and is gone.
  context.Write(context.right, "refused: too large");
  context.right.Reset();
  const std::string chunk(64 << 10, 'x');
  while (send(context.left.get(), chunk.data(), chunk.size(), MSG_NOSIGNAL) > 0) {
  }
  CHECK(context.Read(context.left, 18) == "refused: too large");
  CHECK(context.ended.WaitOpen());
}

TEST_CASE("last words are delivered also when the upload came first", "[base][byte_pump]") {
  PumpContext context;
  const std::string chunk(64 << 10, 'x');
  // More than the pump and the sockets hold: some of it is stuck on its way.
  while (send(context.left.get(), chunk.data(), chunk.size(), MSG_NOSIGNAL) > 0) {
  }
  context.Write(context.right, "refused: too large");
  context.right.Reset();
  CHECK(context.Read(context.left, 18) == "refused: too large");
  CHECK(context.ended.WaitOpen());
}

TEST_CASE("a side that is gone ends the pump though the other is silent", "[base][byte_pump]") {
  PumpContext context;
  context.Write(context.left, "last words");
  context.left.Reset();
  CHECK(context.ended.WaitOpen());
  CHECK(context.Read(context.right, 10) == "last words");
  CHECK(context.AtEnd(context.right));
}

TEST_CASE("a loop that goes takes its pumps with it", "[base][byte_pump]") {
  PumpContext context;
  context.Write(context.left, "x");
  CHECK(context.Read(context.right, 1) == "x");
  context.loop.reset();
  CHECK(context.AtEnd(context.left));
  CHECK(context.AtEnd(context.right));
  CHECK(context.handle.expired());
}

TEST_CASE("an aborted pump closes both sides once", "[base][byte_pump]") {
  PumpContext context;
  context.loop->Post([&] {
    const auto pump = context.handle.lock();
    pump->Abort();
    pump->Abort();
  });
  REQUIRE(context.ended.WaitOpen());
  CHECK(context.AtEnd(context.left));
  CHECK(context.AtEnd(context.right));
  context.loop->Stop();
  CHECK(context.ends == 1);
  CHECK(context.handle.expired());
}

}  // namespace
}  // namespace ember
