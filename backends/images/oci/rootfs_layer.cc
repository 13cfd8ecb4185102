#include <nlohmann/json.hpp>

#include "backends/images/ext4_source.h"
#include "backends/images/host_architecture.h"
#include "backends/images/oci/gzip_file.h"
#include "backends/images/oci/manifest.h"
#include "backends/images/oci/tar_writer.h"
#include "backends/images/oci/transfer.h"
#include "backends/images/sha256.h"
#include "base/size.h"
#include "base/status.h"
#include "base/status_macros.h"

namespace ember::images {
namespace {

using nlohmann::json;

constexpr uint64_t kProgressStep = 8 * kMiB;

// The content of the file that the source stands at. A layer has no holes: they come as zeros.
absl::Status CopyContent(EntrySource& source, uint64_t size, TarWriter& tar,
                         const Cancellation& cancellation) {
  const std::string zeros(size_t{1} << 16, '\0');
  uint64_t at = 0;
  const auto fill_up = [&](uint64_t end) -> absl::Status {
    while (at < end) {
      RETURN_IF_ERROR(cancellation.Check("packing the image"));
      const uint64_t hole = std::min<uint64_t>(end - at, zeros.size());
      RETURN_IF_ERROR(tar.Write(std::string_view(zeros).substr(0, hole)));
      at += hole;
    }
    return absl::OkStatus();
  };
  while (true) {
    ASSIGN_OR_RETURN(const std::optional<EntryBlock> block, source.NextBlock());
    if (!block.has_value()) return fill_up(size);
    RETURN_IF_ERROR(fill_up(block->offset));
    RETURN_IF_ERROR(tar.Write(block->bytes));
    at += block->bytes.size();
  }
}

absl::Status CopyEntries(EntrySource& source, TarWriter& tar, const ProgressSink& sink,
                         const Cancellation& cancellation) {
  uint64_t next_report = 0;
  while (true) {
    RETURN_IF_ERROR(cancellation.Check("packing the image"));
    ASSIGN_OR_RETURN(const std::optional<Entry> entry, source.Next());
    if (!entry.has_value()) return tar.Finish();
    RETURN_IF_ERROR(tar.Add(*entry));
    if (entry->type == EntryType::kFile) {
      RETURN_IF_ERROR(CopyContent(source, entry->size_bytes, tar, cancellation));
    }
    if (source.bytes_read() < next_report) continue;
    Report(sink, {"packing", "root filesystem", source.bytes_read()});
    next_report = source.bytes_read() + kProgressStep;
  }
}

json OciConfigOf(const ImageConfig& config, const std::string& diff_id) {
  json run = json::object();
  const auto add = [&run](const char* name, const auto& value) {
    if (!value.empty()) run[name] = value;
  };
  add("Env", config.env);
  add("Entrypoint", config.entrypoint);
  add("Cmd", config.cmd);
  add("User", config.user);
  add("WorkingDir", config.working_dir);
  add("Labels", config.labels);
  add("StopSignal", config.stop_signal);
  for (const std::string& port : config.exposed_ports) run["ExposedPorts"][port] = json::object();
  const std::string architecture =
      config.architecture.empty() ? std::string(ThisArchitecture().debian) : config.architecture;
  return {{"architecture", architecture},
          {"os", "linux"},
          {"config", run},
          {"rootfs", {{"type", "layers"}, {"diff_ids", json::array({diff_id})}}}};
}

}  // namespace

absl::StatusOr<OciImage> MakeImageFromRootfs(const std::filesystem::path& ext4,
                                             const ImageConfig& config, const BlobStore& store,
                                             const std::filesystem::path& scratch,
                                             const ProgressSink& sink,
                                             const Cancellation& cancellation) {
  const std::filesystem::path path = scratch / "layer.tar.gz";
  ASSIGN_OR_RETURN(const std::unique_ptr<EntrySource> source, OpenExt4Source(ext4));
  ASSIGN_OR_RETURN(const std::unique_ptr<GzipFile> file, GzipFile::Create(path));
  Sha256 unpacked;
  ASSIGN_OR_RETURN(const std::unique_ptr<TarWriter> tar,
                   TarWriter::Create([&](std::string_view bytes) {
                     unpacked.Add(bytes);
                     return file->Write(bytes);
                   }));
  RETURN_IF_ERROR(CopyEntries(*source, *tar, sink, cancellation));
  ASSIGN_OR_RETURN(const GzipFile::Written layer, file->Finish());
  RETURN_IF_ERROR(store.Put(path, layer.digest, cancellation));
  const std::string text =
      OciConfigOf(config, unpacked.Finish()).dump(-1, ' ', false, json::error_handler_t::replace);
  ASSIGN_OR_RETURN(const std::string config_digest, store.PutBytes(text));
  const Manifest manifest{{std::string(kOciConfig), config_digest, text.size()},
                          {{std::string(kOciLayerGzip), layer.digest, layer.size_bytes}}};
  ASSIGN_OR_RETURN(const std::string digest, store.PutBytes(ManifestToJson(manifest)));
  return ReadOciImage(store, digest);
}

}  // namespace ember::images
