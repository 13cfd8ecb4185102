#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>

#include "backends/images/archive_source.h"
#include "tests/fuzz/images/layer_stack.h"

namespace {

// Hands out the bytes in pieces.
class Pieces final : public ember::images::ByteStream {
 public:
  Pieces(std::string bytes, size_t step) : bytes_(std::move(bytes)), step_(step) {}

  absl::StatusOr<std::string_view> Next() override {
    const std::string_view piece = std::string_view(bytes_).substr(at_, step_);
    at_ += piece.size();
    return piece;
  }
  uint64_t bytes_read() const override { return at_; }

 private:
  const std::string bytes_;
  const size_t step_;
  size_t at_ = 0;
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

}  // namespace

// A layer of any bytes is stacked or refused. The first byte says in which pieces it comes.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  if (size == 0) return 0;
  std::string stream(reinterpret_cast<const char*>(bytes) + 1, size - 1);
  for (size_t at = 0; at + 512 <= stream.size(); at += 512) {
    if (std::string_view(stream).substr(at + 257, 5) == "ustar") MendChecksum(stream, at);
  }
  auto pieces = std::make_unique<Pieces>(std::move(stream), size_t{bytes[0]} * 16 + 1);
  auto source = ember::images::OpenArchiveStream(std::move(pieces), "layer");
  if (!source.ok()) return 0;
  ember::fuzz::LayerStack stack;
  for (int count = 0; count < 200; ++count) {
    const auto entry = (*source)->Next();
    if (!entry.ok() || !entry->has_value()) break;
    if (!stack.Add(**entry, 1)) return 0;
    if ((*entry)->type != ember::images::EntryType::kFile) continue;
    if ((*entry)->path.find(".wh.") != std::string::npos) continue;
    while (true) {
      const auto block = (*source)->NextBlock();
      if (!block.ok()) return 0;
      if (!block->has_value()) break;
      if (!stack.Write((*block)->offset, (*block)->bytes)) return 0;
    }
  }
  stack.Finish();
  return 0;
}
