#include "cli/json.h"

#include <algorithm>
#include <utility>

#include "base/size.h"
#include "cli/json_dump.h"
#include "cli/proto_duration.h"
#include "cli/words.h"

namespace ember::cli {
namespace {

template <typename Number>
Json PositiveOrNull(Number number) {
  return number > 0 ? Json(number) : Json(nullptr);
}

// A whole number where it is one: scripts compare sizes with ==.
Json Gib(uint64_t bytes) {
  if (bytes % kGiB == 0) return bytes / kGiB;
  return static_cast<double>(bytes) / static_cast<double>(kGiB);
}

Json NetworkJson(const v1::AddressLease& address) {
  return {{"guest_ip", OrNull(address.guest_ip())},
          {"host_ip", OrNull(address.host_ip())},
          {"subnet", OrNull(address.subnet())},
          {"prefix_length", PositiveOrNull(address.prefix_length())}};
}

Json ToJson(const v1::VolumeAttachment& volume) {
  return {{"volume", volume.volume()},
          {"mount_path", OrNull(volume.mount_path())},
          {"read_only", volume.read_only()},
          {"size_bytes", volume.size_bytes()}};
}

Json ToJson(const v1::Vm& vm) {
  Json vsock = nullptr;
  if (vm.guest_cid() != 0) {
    vsock = {{"uds_path", OrNull(vm.vsock_path())}, {"guest_cid", vm.guest_cid()}};
  }
  Json labels = Json::object();
  for (const auto& [key, value] : std::map(vm.labels().begin(), vm.labels().end())) {
    labels[key] = value;
  }
  Json volumes = Json::array();
  for (const v1::VolumeAttachment& volume : vm.volumes()) volumes.push_back(ToJson(volume));
  return {{"name", vm.name()},
          {"id", vm.id()},
          {"status", StateWord(vm.state())},
          {"status_reason", OrNull(vm.state_reason())},
          {"agent", OrNull(AgentWord(vm.agent()))},
          {"image", OrNull(vm.image())},
          {"image_id", OrNull(vm.image_id())},
          {"run", vm.run_entrypoint()},
          {"kernel", OrNull(vm.kernel())},
          {"backend", OrNull(vm.backend())},
          {"accelerator", OrNull(vm.accelerator())},
          {"cpus", vm.vcpus()},
          {"memory_mib", vm.memory_mib()},
          {"disk_size_gib", Gib(vm.disk_bytes())},
          {"used_bytes", vm.has_used_bytes() ? Json(vm.used_bytes()) : Json(nullptr)},
          {"kernel_path", OrNull(vm.kernel_path())},
          {"disk_path", OrNull(vm.disk_path())},
          {"console_path", OrNull(vm.console_path())},
          {"pid", PositiveOrNull(vm.pid())},
          {"created_at", OrNull(TimeText(vm.created_at()))},
          {"started_at", OrNull(TimeText(vm.started_at()))},
          {"boot_retries", vm.boot_retries()},
          {"boot_args", OrNull(vm.boot_args())},
          {"restart_policy", RestartWord(vm.restart_policy())},
          {"restarts", vm.restarts()},
          {"next_start_at", OrNull(TimeText(vm.next_start_at()))},
          {"autostart", vm.autostart()},
          {"rm", vm.remove_when_stopped()},
          {"expires_at", OrNull(TimeText(vm.expires_at()))},
          {"network", NetworkJson(vm.address())},
          {"ssh", nullptr},
          {"vsock", vsock},
          {"parent_vm", OrNull(vm.parent())},
          {"volumes", volumes},
          {"labels", labels}};
}

template <typename Names>
Json Strings(const Names& names) {
  Json list = Json::array();
  for (const auto& name : names) list.push_back(name);
  return list;
}

Json ToJson(const v1::Anomaly& anomaly) {
  return {{"kind", anomaly.kind()},
          {"vm_names", Strings(anomaly.vm_names())},
          {"message", anomaly.message()},
          {"remedy", OrNull(anomaly.remedy())},
          {"repairable", anomaly.repairable()}};
}

Json ToJson(const v1::RepairHostResponse::Repair& repair) {
  Json json = ToJson(repair.anomaly());
  json["action"] = OrNull(repair.action());
  json["error"] = OrNull(repair.error());
  return json;
}

Json ToJson(const v1::ImageLayer& layer) {
  return {{"digest", layer.digest()}, {"size_bytes", layer.size_bytes()}};
}

Json ToJson(const v1::ImageConfig& config) {
  Json labels = Json::object();
  for (const auto& [key, value] : std::map(config.labels().begin(), config.labels().end())) {
    labels[key] = value;
  }
  return {{"env", Strings(config.env())},
          {"entrypoint", Strings(config.entrypoint())},
          {"cmd", Strings(config.cmd())},
          {"user", OrNull(config.user())},
          {"working_dir", OrNull(config.working_dir())},
          {"labels", labels},
          {"stop_signal", OrNull(config.stop_signal())},
          {"exposed_ports", Strings(config.exposed_ports())},
          {"architecture", OrNull(config.architecture())}};
}

Json ToJson(const v1::Image& image) {
  Json layers = Json::array();
  for (const v1::ImageLayer& layer : image.layers()) layers.push_back(ToJson(layer));
  return {{"name", image.name()},
          {"source", OrNull(image.source())},
          {"digest", OrNull(image.digest())},
          {"size_bytes", image.size_bytes()},
          {"disk_bytes", image.disk_bytes()},
          {"path", OrNull(image.path())},
          {"created_at", OrNull(TimeText(image.created_at()))},
          {"used_by", Strings(image.used_by())},
          {"id", OrNull(image.id())},
          {"names", Strings(image.names())},
          {"layers", layers},
          {"config", ToJson(image.config())}};
}

Json ToJson(const v1::Host& host) {
  return {{"version", host.version()},
          {"installation_id", OrNull(host.installation_id())},
          {"state_dir", OrNull(host.state_dir())},
          {"socket_path", OrNull(host.socket_path())},
          {"pid", PositiveOrNull(host.pid())},
          {"started_at", OrNull(TimeText(host.started_at()))},
          {"host_cpus", host.host_cpus()},
          {"host_memory_mib", host.host_memory_mib()},
          {"default_backend", OrNull(host.default_backend())},
          {"default_kernel", OrNull(host.default_kernel())},
          {"vms", host.vms()},
          {"running_vms", host.running_vms()},
          {"last_event_sequence", host.last_event_sequence()},
          {"memory_limit_mib", PositiveOrNull(host.memory_limit_mib())},
          {"memory_used_mib", host.memory_used_mib()},
          {"subnet", OrNull(host.subnet())}};
}

Json ToJson(const v1::DoctorCheck& check) {
  return {{"name", check.name()},
          {"verdict", VerdictWord(check.verdict())},
          {"finding", check.finding()},
          {"remedy", OrNull(check.remedy())}};
}

template <typename Things>
Json ListOf(const Things& things) {
  Json list = Json::array();
  for (const auto& thing : things) list.push_back(ToJson(thing));
  return list;
}

}  // namespace

std::string JsonText(const v1::Vm& vm) { return Dump(ToJson(vm)); }

std::string JsonText(const v1::ListVmsResponse& response) {
  Json list = Json::array();
  for (const v1::Vm& vm : response.vms()) {
    Json anomalies = Json::array();
    for (const v1::Anomaly& anomaly : response.anomalies()) {
      const auto& names = anomaly.vm_names();
      if (std::find(names.begin(), names.end(), vm.name()) != names.end()) {
        anomalies.push_back(ToJson(anomaly));
      }
    }
    Json& json = list.emplace_back(ToJson(vm));
    json["corrupted"] = !anomalies.empty();
    json["anomalies"] = std::move(anomalies);
  }
  return Dump(list);
}

std::string JsonText(const std::vector<v1::Vm>& vms) { return Dump(ListOf(vms)); }
std::string JsonText(const v1::ForkVmResponse& forked) {
  Json json = ToJson(forked.vm());
  json["frozen_ms"] = forked.has_frozen() ? Json(MillisecondsOf(forked.frozen())) : Json(nullptr);
  json["full_copy"] = forked.full_copy();
  return Dump(json);
}
std::string JsonText(const v1::Image& image) { return Dump(ToJson(image)); }
std::string JsonText(const v1::ListImagesResponse& response) {
  return Dump(ListOf(response.images()));
}
std::string JsonText(const v1::SavedImage& saved) {
  return Dump({{"path", saved.path()}, {"size_bytes", saved.size_bytes()}});
}
std::string JsonText(const v1::PruneImagesResponse& pruned) {
  return Dump({{"images", Strings(pruned.images())},
               {"blobs", Strings(pruned.blobs())},
               {"freed_bytes", pruned.freed_bytes()}});
}
std::string JsonText(const v1::Host& host) { return Dump(ToJson(host)); }
std::string JsonText(const v1::DoctorReport& report) { return Dump(ListOf(report.checks())); }
std::string JsonText(const v1::CheckHostResponse& response) {
  return Dump(ListOf(response.anomalies()));
}
std::string JsonText(const v1::RepairHostResponse& response) {
  return Dump(ListOf(response.repairs()));
}

std::string JsonText(const v1::Event& event) {
  const Json json = {
      {"sequence", event.sequence()},
      {"time", OrNull(TimeText(event.time()))},
      {"vm", OrNull(event.vm_name())},
      {"vm_id", OrNull(event.vm_id())},
      {"kind", event.kind()},
      {"status",
       event.state() == v1::VM_STATE_UNSPECIFIED ? Json(nullptr) : Json(StateWord(event.state()))},
      {"message", OrNull(event.message())}};
  return Dump(json, /*indent=*/-1);
}

std::string VersionJsonText(const std::string& client_version, const v1::Host* daemon) {
  Json json = {{"client", {{"version", client_version}}}, {"daemon", nullptr}};
  if (daemon != nullptr) {
    json["daemon"] = {{"version", daemon->version()}, {"pid", PositiveOrNull(daemon->pid())}};
  }
  return Dump(json);
}

std::string DeletedJsonText(const std::vector<std::string>& names) {
  return Dump(Json{{"deleted", Strings(names)}});
}

}  // namespace ember::cli
