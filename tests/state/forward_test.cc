#include "state/forward.h"

#include "tests/state/store_context.h"
#include "tests/support/catch.h"

namespace ember::state {
namespace {

using testing::ValueOf;

ForwardSide Tcp(uint16_t port, std::string ip = "") {
  return {.kind = SocketKind::kTcp, .ip = std::move(ip), .port = port};
}
ForwardSide Udp(uint16_t port, std::string ip = "") {
  return {.kind = SocketKind::kUdp, .ip = std::move(ip), .port = port};
}
ForwardSide Unix(std::string path) { return {.kind = SocketKind::kUnix, .path = std::move(path)}; }

// Two VMs, and forwards for them.
struct ForwardContext : StoreContext {
  ForwardContext() : web(Create("web")), db(Create("db")) {}
  absl::StatusOr<Forward> Add(const VmRecord& vm, ForwardSide host, ForwardSide guest) {
    return store->AddForward({.vm_id = vm.id, .host = std::move(host), .guest = std::move(guest)});
  }
  absl::StatusOr<Forward> AddReverse(const VmRecord& vm, ForwardSide guest, ForwardSide host) {
    return store->AddForward(
        {.vm_id = vm.id, .host = std::move(host), .guest = std::move(guest), .reverse = true});
  }
  std::string LastEvent() {
    const auto events = ValueOf(store->EventsAfter(store->LastSequence() - 1, 1));
    return events.at(0).vm_name + " " + events.at(0).kind + ": " + events.at(0).message;
  }
  VmRecord web;
  VmRecord db;
};

TEST_CASE("a forward of every kind is kept until it is removed", "[state][forward]") {
  ForwardContext context;
  const std::vector<Forward> added = {
      ValueOf(context.Add(context.web, Tcp(8080, "127.0.0.1"), Tcp(80))),
      ValueOf(context.Add(context.web, Tcp(8081, "::1"), Unix("/run/app.sock"))),
      ValueOf(context.Add(context.web, Udp(8080, "127.0.0.1"), Udp(53))),
      ValueOf(context.Add(context.db, Unix("/tmp/db.sock"), Tcp(5432))),
      ValueOf(context.AddReverse(context.db, Tcp(9000), Unix("/tmp/db.sock"))),
      ValueOf(context.AddReverse(context.db, Unix("/run/x"), Tcp(8080, "127.0.0.1")))};
  context.Reopen();
  auto listed = ValueOf(context.store->ListForwards());
  CHECK(listed.size() == added.size());
  for (const Forward& forward : added) {
    INFO(DescribeForward(forward));
    CHECK(std::find(listed.begin(), listed.end(), forward) != listed.end());
    CHECK(ValueOf(context.store->RemoveForward(forward.id)) == forward);
  }
  CHECK(ValueOf(context.store->ListForwards()).empty());
  CHECK(ValueOf(context.store->ListPorts()).empty());
  CHECK(ValueOf(context.store->CheckRows()).empty());
}

TEST_CASE("forwards are told as events of their vm", "[state][forward]") {
  ForwardContext context;
  const Forward forward = ValueOf(context.Add(context.web, Tcp(8080, "127.0.0.1"), Tcp(80)));
  CHECK(context.LastEvent() == "web forward-added: tcp 127.0.0.1:8080 -> tcp 80");
  REQUIRE_OK(context.store->RemoveForward(forward.id));
  CHECK(context.LastEvent() == "web forward-removed: tcp 127.0.0.1:8080 -> tcp 80");
  REQUIRE_OK(context.AddReverse(context.db, Tcp(9000), Unix("/tmp/s")));
  CHECK(context.LastEvent() == "db forward-added: /tmp/s <- tcp 9000");
}

TEST_CASE("an address that a forward holds is refused, and says who holds it", "[state][forward]") {
  ForwardContext context;
  REQUIRE_OK(context.Add(context.web, Tcp(8080, "0.0.0.0"), Tcp(80)));
  REQUIRE_OK(context.Add(context.web, Unix("/tmp/s"), Tcp(80)));
  REQUIRE_OK(context.AddReverse(context.web, Tcp(9000), Tcp(1, "127.0.0.1")));
  const uint64_t last = context.store->LastSequence();

  const absl::Status port = context.Add(context.db, Tcp(8080, "127.0.0.1"), Tcp(80)).status();
  CHECK(ReasonOf(port) == "PORT_TAKEN");
  CHECK(Message(port) == "port tcp 127.0.0.1:8080 is taken by vm 'web' as 0.0.0.0:8080");
  const absl::Status path = context.Add(context.db, Unix("/tmp/s"), Tcp(80)).status();
  CHECK(absl::IsAlreadyExists(path));
  CHECK(ReasonOf(path) == "FORWARD_EXISTS");
  CHECK(Message(path) == "/tmp/s is held by a forward of vm 'web'");
  const absl::Status guest =
      context.AddReverse(context.web, Tcp(9000), Tcp(2, "127.0.0.1")).status();
  CHECK(Message(guest) == "tcp 9000 is held by a forward of vm 'web'");

  CHECK(context.store->LastSequence() == last);
  CHECK(ValueOf(context.store->ListForwards()).size() == 3);
  // What another VM's guest listens at is its own business.
  REQUIRE_OK(context.AddReverse(context.db, Tcp(9000), Tcp(1, "127.0.0.1")));
}

TEST_CASE("port 0 of the host is the lowest free one", "[state][forward]") {
  ForwardContext context;
  const Forward first = ValueOf(context.Add(context.web, Tcp(0, "127.0.0.1"), Tcp(80)));
  const Forward second = ValueOf(context.Add(context.web, Tcp(0, "127.0.0.1"), Tcp(80)));
  CHECK(first.host.port == PortRange{}.first);
  CHECK(second.host.port == PortRange{}.first + 1);
}

TEST_CASE("forwards go with their vm", "[state][forward]") {
  ForwardContext context;
  REQUIRE_OK(context.Add(context.web, Tcp(8080, "127.0.0.1"), Tcp(80)));
  REQUIRE_OK(context.Add(context.web, Unix("/tmp/s"), Tcp(80)));
  context.Delete(context.web);
  CHECK(ValueOf(context.store->ListForwards()).empty());
  REQUIRE_OK(context.Add(context.db, Tcp(8080, "127.0.0.1"), Tcp(80)));
  REQUIRE_OK(context.Add(context.db, Unix("/tmp/s"), Tcp(80)));
}

TEST_CASE("a forward that is not there can't be removed", "[state][forward]") {
  ForwardContext context;
  const absl::Status missing = context.store->RemoveForward("f\n1").status();
  CHECK(absl::IsNotFound(missing));
  CHECK(ReasonOf(missing) == "FORWARD_NOT_FOUND");
  CHECK(Message(missing) == "forward 'f?1' not found");
}

}  // namespace
}  // namespace ember::state
