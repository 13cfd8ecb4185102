#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace ember::fuzz {

// Takes values off the front of the fuzzer's bytes; zeros once they have run out.
class Input {
 public:
  Input(const uint8_t* bytes, size_t size) : bytes_(bytes), size_(size) {}

  bool empty() const { return size_ == 0; }
  template <typename T>
  T Take() {
    T value{};
    const std::string_view part = TakeBytes(sizeof(T));
    std::memcpy(&value, part.data(), part.size());
    return value;
  }
  std::string_view TakeBytes(size_t count) {
    count = std::min(count, size_);
    const std::string_view part(reinterpret_cast<const char*>(bytes_), count);
    bytes_ += count;
    size_ -= count;
    return part;
  }

 private:
  const uint8_t* bytes_;
  size_t size_;
};

}  // namespace ember::fuzz
