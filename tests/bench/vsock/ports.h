#pragma once

#include <cstdint>

// What the bench's two programs agree on.
namespace ember::bench {

inline constexpr uint32_t kReadyPort = 5000;   // of the host: the guest connects once it serves
inline constexpr uint32_t kSinkPort = 5001;    // reads to the end, then answers one byte
inline constexpr uint32_t kSourcePort = 5002;  // reads a 64-bit count, then writes that many bytes
inline constexpr uint32_t kEchoPort = 5003;    // sends back what it reads

inline constexpr uint64_t kChunk = 64 * 1024;  // bytes a write

}  // namespace ember::bench
