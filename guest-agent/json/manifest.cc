#include "guest-agent/json/manifest.h"

#include "base/status.h"
#include "base/status_macros.h"
#include "guest-agent/json/request.h"
#include "guest-agent/json/response.h"
#include "guest-agent/json/scratch_files.h"

namespace ember::agent {
namespace {

constexpr std::string_view kReflink = "reflink";
constexpr std::string_view kTarGz = "tar.gz";

}  // namespace

std::string TextOf(const Manifest& manifest) {
  return TextOf(Response{
      {"name", manifest.name.has_value() ? Response(*manifest.name) : Response(nullptr)},
      {"workspace_method", manifest.method == WorkspaceMethod::kReflink ? kReflink : kTarGz},
      {"tmp_files", manifest.tmp_files}});
}

absl::StatusOr<Manifest> ParseManifest(std::string_view text) {
  ASSIGN_OR_RETURN(const nlohmann::json fields, ParseRequest(text));
  Manifest manifest;
  ASSIGN_OR_RETURN(const std::string method, RequiredString(fields, "workspace_method"));
  if (method != kReflink && method != kTarGz) {
    return InvalidArgument("workspace_method '{}' is not known here", method);
  }
  manifest.method = method == kReflink ? WorkspaceMethod::kReflink : WorkspaceMethod::kTarGz;
  ASSIGN_OR_RETURN(const std::string name, OptionalString(fields, "name", ""));
  if (!name.empty()) manifest.name = name;
  ASSIGN_OR_RETURN(manifest.tmp_files, RequiredList(fields, "tmp_files"));
  for (const std::string& path : manifest.tmp_files) {
    RETURN_IF_ERROR(BelowScratchRoot(path).status());
  }
  return manifest;
}

}  // namespace ember::agent
