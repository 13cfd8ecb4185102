#pragma once

#include <array>
#include <string_view>

// The fault points (base/fault_point.h) of the verbs that change rows, which fault_test.cc passes.
namespace ember::testing {

enum class Verb {
  kCreate,
  kStart,
  kStop,
  kDelete,
  kRename,
  kRestart,
  kForward,
  kUnforward,
  kMakeVolume,
  kDropVolume,
  kCreateWithVolume,
  kResize,
  kFork,
  kSnapshot,
  kRestore,
  kUnsnapshot,
};
inline constexpr std::array kAllVerbs = {
    Verb::kCreate,     Verb::kStart,      Verb::kStop,    Verb::kDelete,
    Verb::kRename,     Verb::kRestart,    Verb::kForward, Verb::kUnforward,
    Verb::kMakeVolume, Verb::kDropVolume, Verb::kResize,  Verb::kCreateWithVolume,
    Verb::kFork,       Verb::kSnapshot,   Verb::kRestore, Verb::kUnsnapshot};

// On a VM with an image, which is not started.
constexpr bool NeedsDisk(Verb verb) {
  return verb == Verb::kResize || verb == Verb::kCreateWithVolume || verb == Verb::kSnapshot ||
         verb == Verb::kRestore || verb == Verb::kUnsnapshot;
}

// Which verb passes a point, and whether an error can take the place of its effect.
struct Case {
  std::string_view point;
  Verb verb;
  enum class Kind { kCrash, kFault } kind = Kind::kCrash;
  bool has_disk = false;  // on a VM with an image, which is not started
  bool runs = false;      // but for this one
};

inline constexpr Case::Kind kCrash = Case::Kind::kCrash;
inline constexpr Case::Kind kFault = Case::Kind::kFault;

inline constexpr Case kCases[] = {
    {"create/row-committed", Verb::kCreate},
    {"create/make-directory", Verb::kCreate, kFault},
    {"create/make-disk", Verb::kCreate, kFault, true},
    {"create/disk-made", Verb::kCreate, kCrash, true},
    {"create/disk-recorded", Verb::kCreate},
    {"start/intent-committed", Verb::kStart},
    {"start/launch", Verb::kStart, kFault},
    {"start/launched", Verb::kStart},
    {"start/recorded", Verb::kStart},
    {"stop/intent-committed", Verb::kStop},
    {"stop/end-machine", Verb::kStop, kFault},
    {"stop/guest-asked", Verb::kStop},
    {"stop/machine-ended", Verb::kStop},
    {"stop/recorded", Verb::kStop},
    {"delete/intent-committed", Verb::kDelete},
    {"delete/machine-ended", Verb::kDelete},
    {"delete/remove-files", Verb::kDelete, kFault},
    {"delete/files-removed", Verb::kDelete},
    {"delete/row-removed", Verb::kDelete},
    {"rename/row-committed", Verb::kRename},
    {"rename/move", Verb::kRename, kFault},
    {"rename/moved", Verb::kRename},
    {"rename/recorded", Verb::kRename},
    {"restart/intent-committed", Verb::kRestart},
    {"restart/start", Verb::kRestart},
    {"forward/listen", Verb::kForward, kFault},
    {"forward/row-removed", Verb::kUnforward},
    {"volume/row-committed", Verb::kMakeVolume},
    {"volume/make-file", Verb::kMakeVolume, kFault},
    {"volume/file-made", Verb::kMakeVolume},
    {"volume/recorded", Verb::kMakeVolume},
    {"volume-delete/intent-committed", Verb::kDropVolume},
    {"volume-delete/remove-file", Verb::kDropVolume, kFault},
    {"volume-delete/file-removed", Verb::kDropVolume},
    {"volume-delete/recorded", Verb::kDropVolume},
    {"create/row-committed", Verb::kCreateWithVolume},
    {"volume/make-file", Verb::kCreateWithVolume, kFault},
    {"volume/file-made", Verb::kCreateWithVolume},
    {"create/make-disk", Verb::kCreateWithVolume, kFault},
    {"create/disk-recorded", Verb::kCreateWithVolume},
    {"create/volumes-recorded", Verb::kCreateWithVolume},
    {"resize/row-committed", Verb::kResize},
    {"resize/grow-file", Verb::kResize, kFault},
    {"resize/file-grown", Verb::kResize},
    {"fork/row-committed", Verb::kFork},
    {"fork/make-directory", Verb::kFork, kFault},
    {"fork/recorded", Verb::kFork},
    {"fork/recorded", Verb::kFork, kCrash, true},
    {"disk/link-layer", Verb::kFork, kFault, true},
    {"disk/link-layer", Verb::kSnapshot, kFault, true},
    {"disk/layer-linked", Verb::kFork, kCrash, true},
    {"disk/layer-linked", Verb::kSnapshot, kCrash, true},
    {"disk/make-overlay", Verb::kFork, kFault, true},
    {"disk/make-overlay", Verb::kSnapshot, kFault, true},
    {"disk/top-made", Verb::kFork, kCrash, true},
    {"disk/top-made", Verb::kSnapshot, kCrash, true},
    {"disk/frozen", Verb::kFork, kCrash, true, true},
    {"disk/switched", Verb::kFork, kCrash, true, true},
    {"disk/switched", Verb::kSnapshot, kCrash, true, true},
    {"disk/forked", Verb::kFork, kCrash, true},
    {"disk/forked", Verb::kFork, kCrash, true, true},
    {"disk/forked", Verb::kSnapshot, kCrash, true},
    {"snapshot/intent-committed", Verb::kSnapshot, kCrash, true},
    {"snapshot/recorded", Verb::kSnapshot, kCrash, true},
    {"snapshot/make-disk", Verb::kRestore, kFault, true},
    {"snapshot/disk-made", Verb::kRestore, kCrash, true},
    {"snapshot/restored", Verb::kRestore, kCrash, true},
    {"snapshot/removal-committed", Verb::kUnsnapshot, kCrash, true},
    {"snapshot/remove-file", Verb::kUnsnapshot, kFault, true},
    {"snapshot/file-removed", Verb::kUnsnapshot, kCrash, true},
    {"layers/rows-removed", Verb::kDelete, kCrash, true},
};

// Passed by every verb, several times.
inline constexpr std::string_view kEveryVerb[] = {"store/begin", "store/commit", "store/committed"};

}  // namespace ember::testing
