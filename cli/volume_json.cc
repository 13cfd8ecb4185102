#include "cli/volume_json.h"

#include "cli/json_dump.h"
#include "cli/words.h"

namespace ember::cli {
namespace {

Json ToJson(const v1::Volume& volume) {
  return {{"name", volume.name()},
          {"size_bytes", volume.size_bytes()},
          {"filesystem", OrNull(volume.filesystem())},
          {"path", OrNull(volume.path())},
          {"created_at", OrNull(TimeText(volume.created_at()))},
          {"attached_to", OrNull(volume.attached_to())}};
}

}  // namespace

std::string JsonText(const v1::Volume& volume) { return Dump(ToJson(volume)); }

std::string JsonText(const v1::ListVolumesResponse& response) {
  Json list = Json::array();
  for (const v1::Volume& volume : response.volumes()) list.push_back(ToJson(volume));
  return Dump(list);
}

}  // namespace ember::cli
