#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

#include "tests/fuzz/images/layer_stack.h"

namespace {

using ember::images::Entry;
using ember::images::EntryType;

// Few names, so that entries meet each other.
constexpr std::array<const char*, 20> kNames = {
    "a",       "b",           "a/b",    "b/a",          "a/b/c",          "a/.wh.b",
    ".wh.a",   ".wh.b",       "c/b",    ".wh..wh..opq", "a/.wh..wh..opq", "b/.wh..wh..opq",
    "c",       "../c",        "a/../b", "/c",           "lost+found",     ".wh.lost+found",
    "c/.wh.b", ".wh..wh.plnk"};
constexpr std::array kTypes = {EntryType::kFile,     EntryType::kDirectory,  EntryType::kSymlink,
                               EntryType::kHardLink, EntryType::kCharDevice, EntryType::kFifo};

}  // namespace

// Layers of entries, three bytes each: type (and whether a layer starts), name, target.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  ember::fuzz::LayerStack stack;
  uint32_t layer = 1;
  for (size_t at = 0; at + 3 <= size && at < 600; at += 3) {
    layer += bytes[at] >> 7;
    Entry entry;
    entry.type = kTypes[bytes[at] % kTypes.size()];
    entry.path = kNames[bytes[at + 1] % kNames.size()];
    entry.target = kNames[bytes[at + 2] % kNames.size()];
    const bool marker = entry.path.find(".wh.") != entry.path.npos;
    if (!stack.Add(entry, layer)) return 0;
    if (entry.type != EntryType::kFile || marker) continue;
    // Up to a megabyte, so that space runs out and is used again.
    if (!stack.Write(0, std::string(size_t{bytes[at + 2]} << 12, 'x'))) return 0;
  }
  stack.Finish();
  return 0;
}
