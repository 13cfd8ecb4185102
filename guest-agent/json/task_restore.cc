#include <string>
#include <utility>

#include "base/status.h"
#include "base/status_macros.h"
#include "guest-agent/json/allowed_path.h"
#include "guest-agent/json/checkpoint_place.h"
#include "guest-agent/json/checkpoint_store.h"
#include "guest-agent/json/folder.h"
#include "guest-agent/json/manifest.h"
#include "guest-agent/json/operation.h"
#include "guest-agent/json/regular_file.h"
#include "guest-agent/json/request.h"
#include "guest-agent/json/staged_scratch.h"
#include "guest-agent/json/staged_workspace.h"

namespace ember::agent {
namespace {

constexpr size_t kMostManifest = size_t{16} << 20;

absl::Status Unknown(const std::string& id) {
  return NotFound("checkpoint '{}' does not exist", id);
}

absl::StatusOr<Manifest> ReadManifest(int checkpoint, const Cancellation& cancellation) {
  const auto text =
      ReadRegularFile(checkpoint, kManifestFile, LinkPolicy::kKeep, kMostManifest, cancellation);
  if (!text.ok()) return Annotate(text.status(), kManifestFile);
  auto manifest = ParseManifest(*text);
  if (!manifest.ok()) return Annotate(manifest.status(), kManifestFile);
  return manifest;
}

// How many entries of the workspace and scratch files were put back. Everything that is likely to
// fail comes before the swap.
absl::StatusOr<uint64_t> Restore(const std::string& id, const CheckpointPlace& place,
                                 const Cancellation& cancellation) {
  using Store = CheckpointStore;
  RETURN_IF_ERROR(CheckCheckpointId(id));
  ASSIGN_OR_RETURN(const AllowedPath live, CheckAllowed(place.workspace, LastLink::kFollow));
  const auto store = Store::Open(place.root, Store::IfMissing::kFail, cancellation);
  if (absl::IsNotFound(store.status())) return Unknown(id);
  RETURN_IF_ERROR(store.status());
  RETURN_IF_ERROR(store->CheckApart(live.path));
  const auto checkpoint = OpenFolderAt(store->folder(), id);
  if (!checkpoint.ok()) return Unknown(id);
  ASSIGN_OR_RETURN(const Manifest manifest, ReadManifest(checkpoint->get(), cancellation));

  StagedWorkspace workspace(live);
  ASSIGN_OR_RETURN(const uint64_t entries,
                   workspace.Fill(checkpoint->get(), manifest.method, cancellation));
  StagedScratch scratch(id);
  RETURN_IF_ERROR(scratch.Fill(checkpoint->get(), manifest.tmp_files, cancellation));
  RETURN_IF_ERROR(workspace.Swap());
  RETURN_IF_ERROR(scratch.PutBack(place.tmp_globs));
  return entries + scratch.count();
}

}  // namespace

absl::StatusOr<BlockingWork> PlanTaskRestore(const nlohmann::json& request) {
  ASSIGN_OR_RETURN(std::string id, RequiredString(request, "checkpoint_id"));
  ASSIGN_OR_RETURN(CheckpointPlace place, CheckpointPlaceOf(request));
  return [id = std::move(id),
          place = std::move(place)](const Cancellation& cancellation) -> absl::StatusOr<Response> {
    ASSIGN_OR_RETURN(const uint64_t count, Restore(id, place, cancellation));
    return Response{{"ok", true}, {"restored_count", count}};
  };
}

}  // namespace ember::agent
