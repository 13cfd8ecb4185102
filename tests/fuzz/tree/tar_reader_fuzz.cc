#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <utility>

#include "base/check.h"
#include "base/tree/tar_reader.h"

namespace {

using ember::tree::Entry;

// Writes down what it is told, and checks that it is told it in order.
class Recorder : public ember::tree::EntryReceiver {
 public:
  absl::Status OnEntry(const Entry& entry) override {
    EMBER_CHECK(!open_);
    open_ = true;
    end_ = 0;
    story += entry.name + ' ' + entry.target + '\n';
    return absl::OkStatus();
  }
  absl::Status OnContent(uint64_t offset, std::string_view bytes) override {
    EMBER_CHECK(open_ && !bytes.empty() && offset >= end_);
    if (offset != end_) story += std::to_string(offset);
    end_ = offset + bytes.size();
    story += bytes;
    return absl::OkStatus();
  }
  absl::Status OnEntryEnd(uint64_t size) override {
    EMBER_CHECK(open_ && size >= end_);
    open_ = false;
    story += std::to_string(size);
    return absl::OkStatus();
  }

  std::string story;

 private:
  bool open_ = false;
  uint64_t end_ = 0;
};

// The sum of the header at `at`, which no fuzzer would ever guess.
void MendChecksum(std::string& stream, size_t at) {
  stream.replace(at + 148, 8, 8, ' ');
  unsigned sum = 0;
  for (size_t i = at; i < at + 512; ++i) sum += static_cast<unsigned char>(stream[i]);
  char digits[8];
  std::snprintf(digits, sizeof digits, "%06o", sum);
  stream.replace(at + 148, 7, digits, 7);
}

// Whether the stream was accepted, and what was told of it.
std::pair<bool, std::string> Read(std::string_view stream, size_t step) {
  Recorder recorder;
  ember::tree::TarReader reader(recorder);
  for (size_t at = 0; at < stream.size(); at += step) {
    if (!reader.Append(stream.substr(at, step)).ok()) return {false, std::move(recorder.story)};
  }
  return {reader.Finish().ok(), std::move(recorder.story)};
}

}  // namespace

// A stream that is cut at any place reads the same. The first byte says where it is cut.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  if (size == 0) return 0;
  std::string stream(reinterpret_cast<const char*>(bytes) + 1, size - 1);
  for (size_t at = 0; at + 512 <= stream.size(); at += 512) {
    if (std::string_view(stream).substr(at + 257, 5) == "ustar") MendChecksum(stream, at);
  }
  const auto whole = Read(stream, std::max<size_t>(stream.size(), 1));
  const auto cut = Read(stream, size_t{bytes[0]} + 1);
  EMBER_CHECK(whole == cut);
  return 0;
}
