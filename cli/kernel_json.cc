#include "cli/kernel_json.h"

#include "cli/json_dump.h"
#include "cli/words.h"

namespace ember::cli {
namespace {

Json DriversJson(const v1::Kernel& kernel) {
  Json drivers = Json::object();
  for (const v1::Kernel::Driver& driver : kernel.drivers()) {
    drivers[driver.name()] = DriverPlaceWord(driver.place());
  }
  return drivers;
}

template <typename Texts>
Json Strings(const Texts& texts) {
  Json list = Json::array();
  for (const std::string& text : texts) list.push_back(text);
  return list;
}

Json ToJson(const v1::Kernel& kernel) {
  return {{"name", kernel.name()},
          {"version", OrNull(kernel.version())},
          {"source", OrNull(kernel.source())},
          {"path", OrNull(kernel.path())},
          {"initramfs", OrNull(kernel.initramfs())},
          {"is_default", kernel.is_default()},
          {"pvh", kernel.pvh()},
          {"drivers", DriversJson(kernel)},
          {"missing", Strings(kernel.missing())},
          {"created_at", OrNull(TimeText(kernel.created_at()))},
          {"used_by", Strings(kernel.used_by())}};
}

}  // namespace

std::string JsonText(const v1::Kernel& kernel) { return Dump(ToJson(kernel)); }

std::string JsonText(const v1::ListKernelsResponse& response) {
  Json list = Json::array();
  for (const v1::Kernel& kernel : response.kernels()) list.push_back(ToJson(kernel));
  return Dump(list);
}

}  // namespace ember::cli
