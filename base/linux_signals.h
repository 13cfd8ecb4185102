#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace ember {

struct LinuxSignal {
  std::string_view name;  // without "SIG"
  uint32_t number;
};

// The signals of a guest, by number: Linux's own on all but a few old architectures, whatever the
// host's are (signal(7)). Those from 32 to kMostSignal are real-time signals, without names here.
inline constexpr auto kLinuxSignals = std::to_array<LinuxSignal>(
    {{"HUP", 1},   {"INT", 2},     {"QUIT", 3},  {"ILL", 4},     {"TRAP", 5},  {"ABRT", 6},
     {"BUS", 7},   {"FPE", 8},     {"KILL", 9},  {"USR1", 10},   {"SEGV", 11}, {"USR2", 12},
     {"PIPE", 13}, {"ALRM", 14},   {"TERM", 15}, {"STKFLT", 16}, {"CHLD", 17}, {"CONT", 18},
     {"STOP", 19}, {"TSTP", 20},   {"TTIN", 21}, {"TTOU", 22},   {"URG", 23},  {"XCPU", 24},
     {"XFSZ", 25}, {"VTALRM", 26}, {"PROF", 27}, {"WINCH", 28},  {"IO", 29},   {"PWR", 30},
     {"SYS", 31}});
inline constexpr uint32_t kMostSignal = 64;

}  // namespace ember
