#pragma once

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "backends/images/entry_source.h"
#include "backends/images/ext4_source.h"
#include "backends/images/ext4_writer.h"
#include "backends/images/oci/whiteout.h"
#include "base/check.h"

namespace ember::fuzz {

// A small filesystem to which layers of hostile entries go.
class LayerStack {
 public:
  LayerStack() {
    // In memory where that is possible: finishing waits for the disk.
    const bool in_memory = access("/dev/shm", W_OK) == 0;
    std::string pattern = in_memory ? "/dev/shm/ember-fuzz-XXXXXX" : "/tmp/ember-fuzz-XXXXXX";
    EMBER_CHECK(mkdtemp(pattern.data()) != nullptr);
    dir_ = pattern;
    auto writer = images::Ext4Writer::Create(
        dir_ / "disk", images::GeometryOfSize(images::kExt4MinSize, {100, 100}),
        images::Ext4IdentityFrom("fuzz"));
    EMBER_CHECK(writer.ok());
    writer_ = *std::move(writer);
  }
  ~LayerStack() { std::filesystem::remove_all(dir_); }

  // False when the entry is refused: then nothing may follow.
  bool Add(images::Entry entry, uint32_t layer) {
    const auto marking = images::TranslateWhiteout(entry);
    if (!marking.ok()) return false;
    if (*marking == images::Marking::kNothing) return true;
    entry.layer = layer;
    return writer_->Add(entry).ok();
  }
  bool Write(uint64_t offset, std::string_view bytes) { return writer_->Write(offset, bytes).ok(); }

  // What was written can be read: no name leads nowhere, no block is lost.
  void Finish() {
    if (!writer_->Finish().ok()) return;
    auto source = images::OpenExt4Source(dir_ / "disk");
    EMBER_CHECK(source.ok());
    while (true) {
      const auto entry = (*source)->Next();
      CheckOk(entry.status());
      if (!entry->has_value()) return;
      const std::string& path = (*entry)->path;
      EMBER_CHECK(path.find("/.wh.") == path.npos && !path.starts_with(".wh."));
      while (true) {
        const auto block = (*source)->NextBlock();
        CheckOk(block.status());
        if (!block->has_value()) break;
      }
    }
  }

 private:
  static void CheckOk(const absl::Status& status) {
    if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
    EMBER_CHECK(status.ok());
  }

  std::filesystem::path dir_;
  std::unique_ptr<images::Ext4Writer> writer_;
};

}  // namespace ember::fuzz
