#include "backends/images/image_config.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/status.h"
#include "base/status_macros.h"

namespace ember::images {
namespace {

using nlohmann::json;

// Reads fields of one object; the first that is of another type than it must be is the status.
class Fields {
 public:
  Fields(const json& object, std::string_view what) : object_(object), what_(what) {}

  void Text(const char* name, std::string& to) {
    if (const json* field = Find(name, &json::is_string, "a text")) to = *field;
  }
  // Absent and null are the same: Docker writes null for an empty list.
  void Texts(const char* name, std::vector<std::string>& to) {
    const json* field = Find(name, &json::is_array, "a list of texts");
    if (field == nullptr) return;
    for (const json& item : *field) {
      if (!item.is_string()) return Refuse(name, "a list of texts");
      to.push_back(item);
    }
  }
  void TextMap(const char* name, std::map<std::string, std::string>& to) {
    const json* field = Find(name, &json::is_object, "an object of texts");
    if (field == nullptr) return;
    for (const auto& [key, value] : field->items()) {
      if (!value.is_string()) return Refuse(name, "an object of texts");
      to.emplace(key, value);
    }
  }
  void Keys(const char* name, std::vector<std::string>& to) {
    const json* field = Find(name, &json::is_object, "an object");
    if (field == nullptr) return;
    for (const auto& [key, value] : field->items()) to.push_back(key);
    std::sort(to.begin(), to.end());
  }
  const absl::Status& status() const { return status_; }

 private:
  const json* Find(const char* name, bool (json::*is_right)() const, std::string_view type) {
    const auto field = object_.find(name);
    if (field == object_.end() || field->is_null()) return nullptr;
    if (((*field).*is_right)()) return &*field;
    Refuse(name, type);
    return nullptr;
  }
  void Refuse(std::string_view name, std::string_view type) {
    if (status_.ok()) status_ = InvalidArgument("{}: '{}' is not {}", what_, name, type);
  }

  const json& object_;
  const std::string_view what_;
  absl::Status status_;
};

absl::StatusOr<json> ParseObject(std::string_view text, std::string_view what) {
  json document = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (document.is_object()) return document;
  return InvalidArgument("{}: not a JSON object", what);
}

absl::Status CheckEnv(const std::vector<std::string>& env, std::string_view what) {
  for (const std::string& variable : env) {
    const size_t equals = variable.find('=');
    if (equals == 0 || equals == variable.npos || variable.find('\0') != variable.npos) {
      return InvalidArgument("{}: environment variable '{}' is not NAME=value", what, variable);
    }
  }
  return absl::OkStatus();
}

absl::Status CheckWorkingDir(const std::string& dir, std::string_view what) {
  if (dir.empty() || dir.starts_with('/')) return absl::OkStatus();
  return InvalidArgument("{}: working directory '{}' is not absolute", what, dir);
}

}  // namespace

std::string ImageConfigToJson(const ImageConfig& config) {
  json document = json::object();
  const auto add = [&document](const char* name, const auto& value) {
    if (!value.empty()) document[name] = value;
  };
  add("env", config.env);
  add("entrypoint", config.entrypoint);
  add("cmd", config.cmd);
  add("user", config.user);
  add("working_dir", config.working_dir);
  add("labels", config.labels);
  add("stop_signal", config.stop_signal);
  add("exposed_ports", config.exposed_ports);
  add("architecture", config.architecture);
  // What is no UTF-8 can't be in JSON.
  return document.dump(-1, ' ', /*ensure_ascii=*/false, json::error_handler_t::replace);
}

absl::StatusOr<ImageConfig> ImageConfigFromJson(std::string_view text) {
  constexpr std::string_view kWhat = "image config";
  ASSIGN_OR_RETURN(const json document, ParseObject(text, kWhat));
  ImageConfig config;
  Fields fields(document, kWhat);
  fields.Texts("env", config.env);
  fields.Texts("entrypoint", config.entrypoint);
  fields.Texts("cmd", config.cmd);
  fields.Text("user", config.user);
  fields.Text("working_dir", config.working_dir);
  fields.TextMap("labels", config.labels);
  fields.Text("stop_signal", config.stop_signal);
  fields.Texts("exposed_ports", config.exposed_ports);
  fields.Text("architecture", config.architecture);
  RETURN_IF_ERROR(fields.status());
  RETURN_IF_ERROR(CheckEnv(config.env, kWhat));
  RETURN_IF_ERROR(CheckWorkingDir(config.working_dir, kWhat));
  return config;
}

absl::StatusOr<ImageConfig> ReadOciImageConfig(std::string_view text) {
  constexpr std::string_view kWhat = "OCI image configuration";
  ASSIGN_OR_RETURN(const json document, ParseObject(text, kWhat));
  ImageConfig config;
  Fields top(document, kWhat);
  top.Text("architecture", config.architecture);
  RETURN_IF_ERROR(top.status());
  const auto inner = document.find("config");
  if (inner == document.end() || inner->is_null()) return config;
  if (!inner->is_object()) return InvalidArgument("{}: 'config' is not an object", kWhat);
  Fields fields(*inner, kWhat);
  fields.Texts("Env", config.env);
  fields.Texts("Entrypoint", config.entrypoint);
  fields.Texts("Cmd", config.cmd);
  fields.Text("User", config.user);
  fields.Text("WorkingDir", config.working_dir);
  fields.TextMap("Labels", config.labels);
  fields.Text("StopSignal", config.stop_signal);
  fields.Keys("ExposedPorts", config.exposed_ports);
  RETURN_IF_ERROR(fields.status());
  RETURN_IF_ERROR(CheckEnv(config.env, kWhat));
  // Docker takes a relative one as from the root.
  if (!config.working_dir.empty() && !config.working_dir.starts_with('/')) {
    config.working_dir.insert(0, "/");
  }
  return config;
}

}  // namespace ember::images
