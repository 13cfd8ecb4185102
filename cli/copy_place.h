#pragma once

#include <string>
#include <string_view>

namespace ember::cli {

// One side of `ember cp`.
struct CopyPlace {
  enum class Kind { kLocal, kVm, kStandardStream };
  Kind kind = Kind::kLocal;
  std::string vm;    // of kVm
  std::string path;  // of kVm absolute, of kLocal as it was typed

  friend bool operator==(const CopyPlace&, const CopyPlace&) = default;
};

// "-" is standard input or output; "VM:PATH" is in a VM, where a relative path is below /root and
// none is that folder itself; anything else, also what has a '/' before its first ':', is here.
CopyPlace ParseCopyPlace(std::string_view text);

// What a source is to its destination.
struct CopySource {
  bool contents = false;  // "DIR/." or "/": what is in it, without itself
  std::string path;       // without the "/."
  std::string name;       // the last component; empty with `contents`
};
CopySource SourceOf(const std::string& path);

}  // namespace ember::cli
