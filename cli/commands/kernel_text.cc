#include "cli/commands/kernel_text.h"

#include "cli/table.h"
#include "cli/words.h"

namespace ember::cli {
namespace {

template <typename Texts>
std::string Joined(const Texts& texts, std::string_view between) {
  std::string joined;
  for (const std::string& text : texts) {
    if (!joined.empty()) joined += between;
    joined += text;
  }
  return joined;
}

// "virtio_blk (module), ext4 (built-in)": those in one place.
std::string DriversText(const v1::Kernel& kernel, v1::Kernel::Driver::Place place) {
  std::vector<std::string> names;
  for (const v1::Kernel::Driver& driver : kernel.drivers()) {
    if (driver.place() == place) names.push_back(driver.name());
  }
  return Joined(names, ", ");
}

}  // namespace

std::string KernelTableText(const v1::ListKernelsResponse& response) {
  Table table({"NAME", "VERSION", "DEFAULT", "CREATED", "USED BY"});
  for (const v1::Kernel& kernel : response.kernels()) {
    table.Add({kernel.name(), kernel.version(), kernel.is_default() ? "✓" : "",
               TimeText(kernel.created_at()), Joined(kernel.used_by(), ", ")});
  }
  return table.Text();
}

std::string KernelText(const v1::Kernel& kernel) {
  return KeyValueText({{"name", kernel.name()},
                       {"version", kernel.version()},
                       {"source", kernel.source()},
                       {"default", kernel.is_default() ? "yes" : "no"},
                       {"pvh", kernel.pvh() ? "yes" : "no"},
                       {"built in", DriversText(kernel, v1::Kernel::Driver::BUILT_IN)},
                       {"modules", DriversText(kernel, v1::Kernel::Driver::MODULE)},
                       {"absent", DriversText(kernel, v1::Kernel::Driver::ABSENT)},
                       {"unknown", DriversText(kernel, v1::Kernel::Driver::UNKNOWN)},
                       {"missing", Joined(kernel.missing(), "; ")},
                       {"path", kernel.path()},
                       {"initramfs", kernel.initramfs()},
                       {"created", TimeText(kernel.created_at())},
                       {"used by", Joined(kernel.used_by(), ", ")}});
}

}  // namespace ember::cli
