#include "cli/snapshot_json.h"

#include "cli/json_dump.h"
#include "cli/proto_duration.h"
#include "cli/words.h"

namespace ember::cli {
namespace {

Json ToJson(const v1::Snapshot& snapshot) {
  return {{"vm", snapshot.vm()},
          {"name", snapshot.name()},
          {"id", snapshot.id()},
          {"created_at", OrNull(TimeText(snapshot.created_at()))},
          {"disk_bytes", snapshot.disk_bytes()}};
}

}  // namespace

std::string JsonText(const v1::Snapshot& snapshot) {
  Json json = ToJson(snapshot);
  json["frozen_ms"] =
      snapshot.has_frozen() ? Json(MillisecondsOf(snapshot.frozen())) : Json(nullptr);
  return Dump(json);
}

std::string JsonText(const v1::ListSnapshotsResponse& response) {
  Json list = Json::array();
  for (const v1::Snapshot& snapshot : response.snapshots()) list.push_back(ToJson(snapshot));
  return Dump(list);
}

}  // namespace ember::cli
