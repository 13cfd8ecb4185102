// The guest's end of bench_vsock: /init of a tiny initramfs. Loads /modules/*.ko in the order of
// their names, serves three ports, and tells the host.

#include <dirent.h>
#include <fcntl.h>
#include <linux/vm_sockets.h>
#include <poll.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <string>
#include <vector>

#include "tests/bench/vsock/ports.h"

namespace ember::bench {
namespace {

void LoadModules() {
  std::vector<std::string> names;
  DIR* const directory = opendir("/modules");
  if (directory == nullptr) return;
  while (const dirent* entry = readdir(directory)) {
    if (entry->d_name[0] != '.') names.emplace_back(entry->d_name);
  }
  closedir(directory);
  std::sort(names.begin(), names.end());
  for (const std::string& name : names) {
    const int fd = open(("/modules/" + name).c_str(), O_RDONLY | O_CLOEXEC);
    if (syscall(SYS_finit_module, fd, "", 0) != 0) std::perror(name.c_str());
    close(fd);
  }
}

sockaddr_vm Address(uint32_t cid, uint32_t port) {
  sockaddr_vm address{};
  address.svm_family = AF_VSOCK;
  address.svm_cid = cid;
  address.svm_port = port;
  return address;
}

int ListenOn(uint32_t port) {
  const int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_vm address = Address(VMADDR_CID_ANY, port);
  if (bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
      listen(fd, 128) != 0) {
    std::perror("listen");
  }
  return fd;
}

void TellHost() {
  const int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_vm address = Address(VMADDR_CID_HOST, kReadyPort);
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    std::perror("ready");
  }
  close(fd);
}

void Sink(int fd, std::vector<char>& buffer) {
  while (read(fd, buffer.data(), buffer.size()) > 0) {
  }
  if (write(fd, "K", 1) != 1) std::perror("sink");
}

void Source(int fd, std::vector<char>& buffer) {
  uint64_t left = 0;
  if (recv(fd, &left, sizeof(left), MSG_WAITALL) != sizeof(left)) return;
  while (left > 0) {
    const ssize_t written = write(fd, buffer.data(), std::min<uint64_t>(left, kChunk));
    if (written <= 0) return;
    left -= static_cast<uint64_t>(written);
  }
}

using Serve = void (*)(int fd, std::vector<char>& buffer);

[[noreturn]] void ServeOneByOne(uint32_t port, Serve serve) {
  const int listener = ListenOn(port);
  std::vector<char> buffer(kChunk);
  while (true) {
    const int fd = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) continue;
    serve(fd, buffer);
    close(fd);
  }
}

// Many connections at a time, none of which may hold up another.
[[noreturn]] void ServeEcho() {
  std::vector<pollfd> fds = {{ListenOn(kEchoPort), POLLIN, 0}};
  std::vector<char> buffer(kChunk);
  while (true) {
    poll(fds.data(), fds.size(), -1);
    const size_t count = fds.size();
    for (size_t i = 1; i < count; ++i) {
      if (fds[i].revents == 0) continue;
      const ssize_t got = read(fds[i].fd, buffer.data(), buffer.size());
      if (got > 0 && write(fds[i].fd, buffer.data(), static_cast<size_t>(got)) == got) continue;
      close(fds[i].fd);
      fds[i].fd = -1;
    }
    std::erase_if(fds, [](const pollfd& entry) { return entry.fd < 0; });
    if ((fds[0].revents & POLLIN) == 0) continue;
    const int fd = accept4(fds[0].fd, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd >= 0) fds.push_back({fd, POLLIN, 0});
  }
}

[[noreturn]] void Main() {
  LoadModules();
  if (fork() == 0) ServeOneByOne(kSinkPort, Sink);
  if (fork() == 0) ServeOneByOne(kSourcePort, Source);
  // The echo port is there before the host hears of it: it is this process's own.
  if (fork() == 0) {
    TellHost();
    _exit(0);
  }
  ServeEcho();
}

}  // namespace
}  // namespace ember::bench

int main() { ember::bench::Main(); }
