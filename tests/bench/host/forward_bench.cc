// TCP into a guest through `ember forward` and through QEMU's own hostfwd.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>

#include "base/socket.h"
#include "tests/bench/host/direct_session.h"
#include "tests/bench/host/raw_qemu.h"
#include "tests/bench/host/samples.h"
#include "tests/e2e/installation.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace ember::bench {
namespace {

using testing::ValueOf;

constexpr size_t kBytes = size_t{128} << 20;
constexpr int kRounds = 5;
constexpr int kConnects = 50;
// What serves in the guest, each as `nc -ll -p PORT -e PROGRAM`.
constexpr int kSinkPort = 5001;   // counts what comes and says "done" at its end
constexpr int kFloodPort = 5002;  // sends kBytes
constexpr int kGreetPort = 5003;  // says one line

Cancellation Limit() { return Cancellation::After(absl::Seconds(120)); }

UniqueFd ConnectTcp(int port) {
  UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
  REQUIRE_OK(SetNonBlocking(fd.get()));
  return fd;
}

// Host to guest, until the guest has said that it has it all.
double SendMiBps(int port) {
  const std::string chunk(size_t{64} << 10, 'x');
  const absl::Duration time = TimeOf([&] {
    const UniqueFd fd = ConnectTcp(port);
    for (size_t sent = 0; sent < kBytes; sent += chunk.size()) {
      REQUIRE_OK(WriteFully(fd.get(), chunk, Limit()));
    }
    shutdown(fd.get(), SHUT_WR);
    char done = 0;
    REQUIRE_OK(ReadFully(fd.get(), &done, 1, Limit()));
  });
  return kBytes / absl::ToDoubleSeconds(time) / (1 << 20);
}

double ReceiveMiBps(int port) {
  std::string chunk(size_t{64} << 10, '\0');
  const absl::Duration time = TimeOf([&] {
    const UniqueFd fd = ConnectTcp(port);
    for (size_t got = 0; got < kBytes; got += chunk.size()) {
      REQUIRE_OK(ReadFully(fd.get(), chunk.data(), chunk.size(), Limit()));
    }
  });
  return kBytes / absl::ToDoubleSeconds(time) / (1 << 20);
}

// A new connection up to the first byte from the guest's server.
absl::Duration TimeToGreeting(int port) {
  return TimeOf([port] {
    const UniqueFd fd = ConnectTcp(port);
    char first = 0;
    REQUIRE_OK(ReadFully(fd.get(), &first, 1, Limit()));
  });
}

// Writes and starts the servers; `run` runs a line of shell in the guest.
template <typename Run>
void StartServers(Run run) {
  const auto serve = [&run](int port, const std::string& script) {
    run(
        fmt::format("printf '#!/bin/sh\\n{}\\n' >/tmp/{} && chmod 755 /tmp/{} && "
                    "(nc -ll -p {} -e /tmp/{} </dev/null >/dev/null 2>&1 &)",
                    script, port, port, port, port));
  };
  serve(kSinkPort, "cat >/dev/null; echo done");
  serve(kFloodPort, fmt::format("dd if=/dev/zero bs=65536 count={} 2>/dev/null", kBytes >> 16));
  serve(kGreetPort, "echo hello");
}

struct Figures {
  std::vector<double> sent;
  std::vector<double> received;
  Samples connects;
};

void Measure(const std::map<int, int>& host_port, Figures& figures) {
  figures.sent.push_back(SendMiBps(host_port.at(kSinkPort)));
  figures.received.push_back(ReceiveMiBps(host_port.at(kFloodPort)));
  for (int i = 0; i < kConnects; ++i) {
    figures.connects.Add(TimeToGreeting(host_port.at(kGreetPort)));
  }
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void Print(const char* name, const Figures& figures) {
  std::printf("%s: %.0f MiB/s in, %.0f MiB/s out; connect to first byte: %s\n", name,
              Median(figures.sent), Median(figures.received), figures.connects.Describe().c_str());
}

// A port that nobody has now.
int FreePort() {
  const UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
  socklen_t size = sizeof(address);
  REQUIRE(getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
  return ntohs(address.sin_port);
}

TEST_CASE("a forward against QEMU's hostfwd, in turn", "[forward]") {
  if (!testing::PreparedState().has_value()) EMBER_SKIP("EMBER_TEST_STATE is not set");
  testing::Installation ember(testing::Installation::Shape{.log_level = "info"});
  ember.StartDaemon();
  ember.CreateVm("donor");
  const nlohmann::json donor = ember.Json({"vm", "inspect", "donor"});
  const auto boot = BootOptionsOf(ValueOf(Process::Open(ValueOf(IdentifyProcess(donor["pid"])))));
  ember.EmberOk({"vm", "stop", "donor"});
  ember.CreateVm("web");
  StartServers([&](const std::string& line) { ember.Exec("web", {line}); });

  std::map<int, int> forwarded, hostfwd;
  std::string netdev = "user,id=n,restrict=on";
  for (const int port : {kSinkPort, kFloodPort, kGreetPort}) {
    const auto forward = ember.Json({"forward", "web", fmt::format("0:{}", port)});
    forwarded[port] = forward["host"]["port"];
    hostfwd[port] = FreePort();
    netdev += fmt::format(",hostfwd=tcp:127.0.0.1:{}-:{}", hostfwd[port], port);
  }
  const testing::TempDir dir;
  const std::string disk = donor["disk_path"];
  RawQemu raw(boot, disk, disk.ends_with("qcow2") ? "qcow2" : "raw", dir.path(),
              {"-netdev", netdev, "-device", "virtio-net-pci,netdev=n"});
  raw.AwaitReady();
  const auto in_raw = [&raw](const std::string& line) {
    DirectSession(raw.vsock()).Run({"/bin/sh", "-c", line});
  };
  in_raw(
      "ip link set eth0 up && ip addr add 10.0.2.15/24 dev eth0 && "
      "ip route add default via 10.0.2.2");
  StartServers(in_raw);

  Figures ours, theirs;
  for (int round = 0; round < kRounds; ++round) {
    Measure(forwarded, ours);
    Measure(hostfwd, theirs);
  }
  Print("ember forward", ours);
  Print("QEMU hostfwd", theirs);
  std::printf("ratios: %.2f in, %.2f out, connect %.2f\n", Median(ours.sent) / Median(theirs.sent),
              Median(ours.received) / Median(theirs.received),
              absl::FDivDuration(ours.connects.Median(), theirs.connects.Median()));
}

}  // namespace
}  // namespace ember::bench
