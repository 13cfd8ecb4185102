#include "backends/images/host_architecture.h"

#include <elf.h>

namespace ember::images {
namespace {

constexpr HostArchitecture kTable[] = {
    {"x86_64", "amd64", "linux-image-cloud-amd64", EM_X86_64, true},
    {"aarch64", "arm64", "linux-image-cloud-arm64", EM_AARCH64, false},
};

#if defined(__x86_64__)
constexpr int kThis = 0;
#elif defined(__aarch64__)
constexpr int kThis = 1;
#else
#error "Ember runs on x86_64 and aarch64"
#endif

}  // namespace

const HostArchitecture& ThisArchitecture() { return kTable[kThis]; }

}  // namespace ember::images
