#include "state/port_allocator.h"

#include <random>
#include <set>

#include "tests/state/store_context.h"
#include "tests/support/catch.h"

namespace ember::state {
namespace {

using testing::ValueOf;

// Two VMs, and ports for them.
struct PortContext : StoreContext {
  PortContext() : web(Create("web").id), db(Create("db").id) {}
  absl::StatusOr<PortLease> Lease(std::string_view vm_id, std::string_view address, uint16_t port,
                                  PortProtocol protocol = PortProtocol::kTcp, PortRange any = {}) {
    return store->LeasePort({.protocol = protocol,
                             .host_address = std::string(address),
                             .host_port = port,
                             .vm_id = std::string(vm_id),
                             .guest_target = "80",
                             .purpose = "forward"},
                            any);
  }
  std::string web;
  std::string db;
};

TEST_CASE("a leased port is listed until it is released", "[state][ports]") {
  PortContext context;
  const PortLease lease = ValueOf(context.Lease(context.web, "127.0.0.1", 8080));
  CHECK(lease.host_port == 8080);
  CHECK(lease.vm_id == context.web);
  context.Reopen();
  CHECK(ValueOf(context.store->ListPorts()) == std::vector<PortLease>{lease});
  REQUIRE_OK(context.store->ReleasePort(PortProtocol::kTcp, "127.0.0.1", 8080));
  CHECK(ValueOf(context.store->ListPorts()).empty());
  const absl::Status again = context.store->ReleasePort(PortProtocol::kTcp, "127.0.0.1", 8080);
  CHECK(again.code() == absl::StatusCode::kNotFound);
  CHECK(Message(again) == "port tcp 127.0.0.1:8080 is not leased");
}

TEST_CASE("ports are told as events of their vm", "[state][ports]") {
  PortContext context;
  REQUIRE_OK(context.Lease(context.web, "::1", 53, PortProtocol::kUdp));
  REQUIRE_OK(context.store->ReleasePort(PortProtocol::kUdp, "::1", 53));
  const std::vector<Event> events = ValueOf(context.store->EventsAfter(2, 10));
  REQUIRE(events.size() == 2);
  CHECK(events[0].kind == "port-leased");
  CHECK(events[0].vm_name == "web");
  CHECK(events[0].message == "udp [::1]:53 -> 80");
  CHECK(events[1].kind == "port-released");
  CHECK(events[1].message == "udp [::1]:53");
}

TEST_CASE("a port that is taken names who has it", "[state][ports]") {
  PortContext context;
  REQUIRE_OK(context.Lease(context.web, "127.0.0.1", 8080));
  const absl::Status status = context.Lease(context.db, "127.0.0.1", 8080).status();
  CHECK(status.code() == absl::StatusCode::kAlreadyExists);
  CHECK(Message(status) == "port tcp 127.0.0.1:8080 is taken by vm 'web'");
  CHECK(ReasonOf(status) == "PORT_TAKEN");
  CHECK(HintOf(status).has_value());
  CHECK(MetadataOf(status).at("vm") == "web");
  CHECK(context.Lease(context.db, "127.0.0.1", 8081).ok());
  CHECK(context.Lease(context.db, "127.0.0.2", 8080).ok());
  CHECK(context.Lease(context.db, "127.0.0.1", 8080, PortProtocol::kUdp).ok());
}

TEST_CASE("a port of every address is in the way of each of them", "[state][ports]") {
  struct Case {
    const char* held;
    const char* wanted;
    bool conflict;
  };
  const Case cases[] = {
      {"0.0.0.0", "127.0.0.1", true},
      {"127.0.0.1", "0.0.0.0", true},
      {"0.0.0.0", "0.0.0.0", true},
      {"::", "::1", true},
      {"::1", "::", true},
      {"::", "127.0.0.1", true},
      {"127.0.0.1", "::", true},
      {"::", "0.0.0.0", true},
      {"0.0.0.0", "::", true},
      {"0.0.0.0", "::1", false},
      {"::1", "0.0.0.0", false},
      {"::1", "127.0.0.1", false},
      {"::1", "0:0:0:0:0:0:0:1", true},
  };
  for (const Case& pair : cases) {
    INFO(pair.held << " and " << pair.wanted);
    PortContext context;
    REQUIRE_OK(context.Lease(context.web, pair.held, 8080));
    const absl::Status status = context.Lease(context.db, pair.wanted, 8080).status();
    CHECK(ReasonOf(status) ==
          (pair.conflict ? std::optional<std::string>("PORT_TAKEN") : std::nullopt));
    CHECK(context.Lease(context.db, pair.wanted, 8081).ok());
  }
}

TEST_CASE("the holder of every address is told with it", "[state][ports]") {
  PortContext context;
  REQUIRE_OK(context.Lease(context.web, "0.0.0.0", 8080));
  CHECK(Message(context.Lease(context.db, "127.0.0.1", 8080).status()) ==
        "port tcp 127.0.0.1:8080 is taken by vm 'web' as 0.0.0.0:8080");
}

TEST_CASE("port 0 is the lowest free one of the range", "[state][ports]") {
  PortContext context;
  const PortRange range = {.first = 5000, .last = 5003};
  const auto any = [&context, range](std::string_view address) {
    return context.Lease(context.web, address, 0, PortProtocol::kTcp, range);
  };
  REQUIRE_OK(context.Lease(context.db, "127.0.0.2", 5000));
  REQUIRE_OK(context.Lease(context.db, "0.0.0.0", 5001));
  CHECK(ValueOf(any("127.0.0.1")).host_port == 5000);
  CHECK(ValueOf(any("127.0.0.1")).host_port == 5002);
  CHECK(ValueOf(any("::")).host_port == 5003);
  const absl::Status status = any("127.0.0.1").status();
  CHECK(status.code() == absl::StatusCode::kResourceExhausted);
  CHECK(Message(status) == "no free tcp port on 127.0.0.1 (all of 5000 to 5003 are taken)");
  CHECK(ReasonOf(status) == "NO_FREE_PORT");
  REQUIRE_OK(context.store->ReleasePort(PortProtocol::kTcp, "127.0.0.1", 5000));
  CHECK(ValueOf(any("127.0.0.1")).host_port == 5000);
}

TEST_CASE("the last port of all is given out", "[state][ports]") {
  PortContext context;
  const PortRange range = {.first = 65535, .last = 65535};
  CHECK(ValueOf(context.Lease(context.web, "127.0.0.1", 0, PortProtocol::kTcp, range)).host_port ==
        65535);
  CHECK(context.Lease(context.web, "127.0.0.1", 0, PortProtocol::kTcp, range).status().code() ==
        absl::StatusCode::kResourceExhausted);
}

TEST_CASE("what is no address or no range is refused", "[state][ports]") {
  PortContext context;
  for (const char* address :
       {"", "localhost", "127.0.0", "127.0.0.1:80", "[::1]", "fe80::1%eth0"}) {
    INFO(address);
    const absl::Status status = context.Lease(context.web, address, 80).status();
    CHECK(status.code() == absl::StatusCode::kInvalidArgument);
    CHECK(HintOf(status).has_value());
  }
  CHECK(HintOf(context.Lease(context.web, "::ffff:127.0.0.1", 80).status()) ==
        "give it as 127.0.0.1");
  for (const PortRange range :
       {PortRange{.first = 0, .last = 9}, PortRange{.first = 9, .last = 8}}) {
    CHECK(context.Lease(context.web, "::1", 0, PortProtocol::kTcp, range).status().code() ==
          absl::StatusCode::kInvalidArgument);
  }
  CHECK(context.Lease("nobody", "::1", 80).status().code() == absl::StatusCode::kNotFound);
  CHECK(ValueOf(context.store->ListPorts()).empty());
}

TEST_CASE("ports go with their vm", "[state][ports]") {
  PortContext context;
  REQUIRE_OK(context.Lease(context.web, "127.0.0.1", 8080));
  const PortLease kept = ValueOf(context.Lease(context.db, "127.0.0.1", 8081));
  context.Delete(ValueOf(context.store->GetVm("web")));
  CHECK(ValueOf(context.store->ListPorts()) == std::vector<PortLease>{kept});
  CHECK(context.Lease(context.db, "127.0.0.1", 8080).ok());
}

bool InTheWay(const std::string& a, const std::string& b) {
  const auto v4 = [](const std::string& address) { return address.find(':') == std::string::npos; };
  if (a == b || a == "::" || b == "::") return true;
  return v4(a) && v4(b) && (a == "0.0.0.0" || b == "0.0.0.0");
}

TEST_CASE("random leases of ports never get in each other's way", "[state][ports]") {
  const uint32_t seed = std::random_device()();
  INFO("seed " << seed);
  std::mt19937 random(seed);
  PortContext context;
  const std::string addresses[] = {"0.0.0.0", "127.0.0.1", "127.0.0.2", "::", "::1"};
  std::set<std::pair<uint16_t, std::string>> taken;
  const auto free = [&taken](uint16_t port, const std::string& address) {
    for (const auto& [held, holder] : taken) {
      if (held == port && InTheWay(holder, address)) return false;
    }
    return true;
  };
  REQUIRE_OK(context.store->BeginBatch());
  for (int step = 0; step < 1500; ++step) {
    const std::string& address = addresses[random() % std::size(addresses)];
    const auto port = static_cast<uint16_t>(100 + random() % 12);
    if (random() % 2 == 0 && taken.contains({port, address})) {
      REQUIRE_OK(context.store->ReleasePort(PortProtocol::kTcp, address, port));
      taken.erase({port, address});
    } else if (random() % 2 == 0) {
      const auto lease = context.Lease(context.web, address, port);
      REQUIRE(lease.ok() == free(port, address));
      if (lease.ok()) taken.emplace(port, address);
    } else {
      uint16_t lowest = 100;
      while (lowest < 112 && !free(lowest, address)) ++lowest;
      const auto lease =
          context.Lease(context.db, address, 0, PortProtocol::kTcp, {.first = 100, .last = 111});
      REQUIRE(lease.ok() == (lowest < 112));
      if (lease.ok()) REQUIRE(lease->host_port == lowest);
      if (lease.ok()) taken.emplace(lowest, address);
    }
  }
  REQUIRE_OK(context.store->CommitBatch());
  CHECK(ValueOf(context.store->ListPorts()).size() == taken.size());
}

}  // namespace
}  // namespace ember::state
