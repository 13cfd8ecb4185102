#include "backends/images/kernel_entry.h"

#include <sys/stat.h>

#include <cerrno>
#include <optional>

#include "absl/strings/str_split.h"
#include "backends/images/file_digest.h"
#include "backends/images/host_architecture.h"
#include "backends/images/initramfs.h"
#include "backends/images/record_file.h"
#include "base/file.h"
#include "base/status.h"
#include "base/status_macros.h"

namespace ember::images {
namespace {

constexpr char kDescriptionFile[] = "kernel.json";
constexpr char kModulesFolder[] = "modules";
constexpr char kOrderFile[] = "order";

// {"virtio_blk": "module", …}; what is unknown is left out.
nlohmann::json DriversJson(const std::vector<KernelDriver>& drivers) {
  nlohmann::json object = nlohmann::json::object();
  for (const KernelDriver& driver : drivers) {
    if (driver.place == DriverPlace::kUnknown) continue;
    object[driver.name] = DriverPlaceName(driver.place);
  }
  return object;
}

std::vector<KernelDriver> DriversField(const nlohmann::json& record) {
  std::vector<KernelDriver> drivers = SurveyDrivers(std::nullopt, std::nullopt);
  const auto object = record.find("drivers");
  if (object == record.end() || !object->is_object()) return drivers;
  for (KernelDriver& driver : drivers) {
    driver.place = DriverPlaceOf(TextField(*object, driver.name.c_str()));
  }
  return drivers;
}

}  // namespace

absl::StatusOr<KernelDescription> ReadKernelDescription(const std::filesystem::path& entry) {
  ASSIGN_OR_RETURN(const nlohmann::json record, ReadRecordFile(entry / kDescriptionFile));
  KernelDescription description;
  description.version = TextField(record, "version");
  description.source = TextField(record, "source");
  description.created_at = TimeField(record, "created_at");
  description.agent = {TextField(record, "agent_digest"), NumberField(record, "agent_size_bytes"),
                       NumberField(record, "agent_modified_ns")};
  description.format = KernelFormatOf(TextField(record, "format"));
  // Records of earlier versions have neither; those took only kernels with a PVH entry on x86_64.
  const auto pvh = record.find("pvh");
  description.pvh =
      pvh != record.end() && pvh->is_boolean() ? pvh->get<bool>() : ThisArchitecture().needs_pvh;
  description.drivers = DriversField(record);
  return description;
}

absl::Status WriteKernelDescription(const std::filesystem::path& entry,
                                    const KernelDescription& description) {
  return WriteRecordFile(entry / kDescriptionFile,
                         {{"version", description.version},
                          {"source", description.source},
                          {"created_at", FormatRecordTime(description.created_at)},
                          {"agent_digest", description.agent.digest},
                          {"agent_size_bytes", description.agent.size_bytes},
                          {"agent_modified_ns", description.agent.modified_ns},
                          {"format", KernelFormatName(description.format)},
                          {"pvh", description.pvh},
                          {"drivers", DriversJson(description.drivers)}});
}

absl::Status WriteModules(const std::filesystem::path& entry,
                          const std::vector<KernelModule>& modules) {
  const std::filesystem::path folder = entry / kModulesFolder;
  RETURN_IF_ERROR(MakeDirectories(folder, 0755));
  std::string order;
  for (const KernelModule& module : modules) {
    RETURN_IF_ERROR(WriteFileAtomically(folder / (module.name + ".ko"), module.content, 0644));
    order += module.name + "\n";
  }
  return WriteFileAtomically(folder / kOrderFile, order, 0644);
}

absl::StatusOr<std::vector<KernelModule>> ReadModules(const std::filesystem::path& entry) {
  const std::filesystem::path folder = entry / kModulesFolder;
  ASSIGN_OR_RETURN(const std::string order, ReadFile(folder / kOrderFile));
  std::vector<KernelModule> modules;
  for (std::string name :
       std::vector<std::string>(absl::StrSplit(order, '\n', absl::SkipEmpty()))) {
    ASSIGN_OR_RETURN(std::string content, ReadFile(folder / (name + ".ko")));
    modules.push_back({std::move(name), std::move(content)});
  }
  return modules;
}

absl::StatusOr<AgentStamp> StampAgent(const std::filesystem::path& agent) {
  struct stat about {};
  if (stat(agent.c_str(), &about) != 0) {
    return WithHint(Annotate(ErrnoStatus(errno, agent.native()), "the guest agent"),
                    "install emberd there, or point the daemon at it");
  }
  return AgentStamp{"", about.st_size,
                    int64_t{about.st_mtim.tv_sec} * 1'000'000'000 + about.st_mtim.tv_nsec};
}

absl::StatusOr<AgentStamp> WriteInitramfs(const std::filesystem::path& entry,
                                          const std::filesystem::path& agent) {
  // Stamped before it is read: if it changes in between, the next look sees another time.
  ASSIGN_OR_RETURN(AgentStamp stamp, StampAgent(agent));
  ASSIGN_OR_RETURN(const std::string init, ReadFile(agent));
  ASSIGN_OR_RETURN(const std::vector<KernelModule> modules, ReadModules(entry));
  stamp.digest = DigestBytes(init);
  RETURN_IF_ERROR(WriteFileAtomically(entry / kInitramfsFile, BuildInitramfs(init, modules), 0644));
  return stamp;
}

}  // namespace ember::images
