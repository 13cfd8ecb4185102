#include "backends/vsock/connection_table.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>

#include "base/check.h"
#include "base/status.h"

namespace ember::vsock {
namespace {

constexpr uint32_t kFirstHostPort = uint32_t{1} << 30;
constexpr uint32_t kHostPortMask = kFirstHostPort - 1;

}  // namespace

void ConnectionTable::Unmap::operator()(Shared* shared) const { munmap(shared, sizeof(Shared)); }

absl::StatusOr<ConnectionTable> ConnectionTable::Create() {
  void* const memory =
      mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return ErrnoStatus(errno, "connection table: mmap");
  return ConnectionTable(static_cast<Shared*>(memory));
}

ConnectionTable::ConnectionTable(Shared* shared) : shared_(shared) {
  for (size_t i = kMaxConnections; i > 0; --i) free_.push_back(static_cast<uint16_t>(i - 1));
}

void ConnectionTable::Insert(ConnectionKey key) {
  EMBER_CHECK(!free_.empty());
  shared_->slots[free_.back()] = key;
  free_.pop_back();
}

void ConnectionTable::Erase(ConnectionKey key) {
  const auto found = std::find(shared_->slots.begin(), shared_->slots.end(), key);
  if (found == shared_->slots.end()) return;
  *found = {};
  free_.push_back(static_cast<uint16_t>(found - shared_->slots.begin()));
}

std::vector<ConnectionKey> ConnectionTable::TakeAll() {
  std::vector<ConnectionKey> taken;
  for (ConnectionKey& slot : shared_->slots) {
    if (slot == ConnectionKey{}) continue;
    taken.push_back(slot);
    slot = {};
  }
  free_.clear();
  for (size_t i = kMaxConnections; i > 0; --i) free_.push_back(static_cast<uint16_t>(i - 1));
  return taken;
}

uint32_t ConnectionTable::NextHostPort() {
  const uint32_t next = (shared_->last_host_port + 1) & kHostPortMask;
  shared_->last_host_port = next;
  return kFirstHostPort | next;
}

}  // namespace ember::vsock
