#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <span>

#include "backends/vsock/packet.h"
#include "backends/vsock/send_buffer.h"
#include "base/unique_fd.h"

// One stream between a host's socket and a guest's port: a state machine with the host's socket in
// it. It knows no rings: whoever owns it brings the guest's packets, asks what is owed to the guest
// and where there is room for it, and watches the socket as it says.
//
//   kWaiting -- REQUEST sent --> kRequested -- RESPONSE --> kOpen     a host program connects
//                                            REQUEST --> kOpen        the guest connects
//   kOpen -- the host has hung up, all its bytes are sent --> kClosing -- RST or 2 s --> kDone
//   kOpen -- the guest has shut both ways, all its bytes are delivered --> kDone, a RST is owed
//   any -- RST --> kDone, or kDraining while the host has bytes to take
//   any -- the guest breaks a rule --> kDone, a RST is owed
namespace ember::vsock {

// What names a connection; the host's CID is 2 and the guest's is the device's.
struct ConnectionKey {
  uint32_t host_port = 0;
  uint32_t guest_port = 0;
  friend bool operator==(const ConnectionKey&, const ConnectionKey&) = default;
};

// What a guest may have under way to a host program, in bytes. With 64 KiB the throughput halves.
inline constexpr uint32_t kReceiveBuffer = 256 * 1024;

// Lives on the worker's event loop.
class Connection {
 public:
  enum class State { kWaiting, kRequested, kOpen, kClosing, kDraining, kDone };

  // Takes a connected, non-blocking socket. A connection of the guest's comes with the header of
  // its REQUEST.
  Connection(ConnectionKey key, uint64_t guest_cid, UniqueFd socket);
  Connection(ConnectionKey key, UniqueFd socket, const PacketHeader& request);

  const ConnectionKey& key() const { return key_; }
  State state() const { return state_; }
  int socket() const { return socket_.get(); }
  // kDone: whether the guest is owed a RST. It is then the owner's to send.
  bool owes_reset() const { return owes_reset_; }

  // A packet of the guest's with this key, of any operation but kRequest; the connection is neither
  // draining nor done. What the socket doesn't take at once is kept; what is against the rules ends
  // the connection with a RST.
  void OnPacket(const PacketHeader& header, std::span<const iovec> payload);
  // The socket has these epoll events.
  void OnSocket(uint32_t events);
  // The guest did not answer in time: it is reset, or asked for credit when that is what is
  // missing.
  void OnTimeout();
  // Ends it and owes the guest a RST.
  void Reset();

  // The epoll events to watch the socket for; 0: leave it alone.
  uint32_t WantedEvents() const;
  // Whether it now waits for something of the guest's that must not take long.
  bool WaitsForGuest() const;

  // Whether a packet without payload is owed to the guest, and the next one. Taking it counts as
  // sending it.
  bool HasControl() const;
  PacketHeader TakeControl();

  // Whether there may be payload for the guest that it has room for.
  bool HasPayload() const;
  // How many bytes the guest has room for.
  uint64_t Credit() const;
  // Reads payload straight into guest memory, at most Credit() bytes: the number of bytes, 0 when
  // there was none. `pieces` is not empty.
  size_t ReadPayload(std::span<const iovec> pieces);
  // The header for `length` bytes of it.
  PacketHeader PayloadHeader(uint32_t length);

 private:
  PacketHeader Header(Operation operation);
  void OnResponse();
  void OnShutdown(uint32_t flags);
  void OnPayload(const PacketHeader& header, std::span<const iovec> payload);
  void OnGuestReset();
  void Forwarded(uint64_t bytes);
  size_t SendNow(std::span<const iovec> payload);
  void Flush();
  void AfterFlush();
  void OnHangUp();
  void HostEnded();
  void HostDeaf();
  bool MayRead() const;
  bool ShutdownDue() const;
  bool OutOfCredit() const;
  void Finish();

  const ConnectionKey key_;
  const uint64_t guest_cid_;
  UniqueFd socket_;
  State state_;
  bool owes_reset_ = false;

  // Owed to the guest.
  bool owes_request_ = false;
  bool owes_response_ = false;
  bool owes_credit_update_ = false;
  bool owes_credit_request_ = false;
  uint32_t owes_shutdown_ = 0;  // flags
  uint32_t told_shutdown_ = 0;
  bool shutdown_sent_ = false;  // both ways

  // The host's side.
  bool readable_ = false;    // the socket may have bytes, an end or an error
  bool host_ended_ = false;  // it sends nothing more, and all it sent has been read
  bool host_deaf_ = false;   // it receives nothing more
  bool hung_up_ = false;
  SendBuffer outgoing_;

  // The guest's side.
  bool guest_ended_ = false;
  bool guest_deaf_ = false;
  uint32_t guest_buffer_ = 0;
  uint32_t guest_forwarded_ = 0;
  uint32_t sent_ = 0;            // bytes to the guest
  uint32_t forwarded_ = 0;       // bytes of the guest's that the host took
  uint32_t forwarded_told_ = 0;  // as the guest knows it
};

}  // namespace ember::vsock
