// The part of convert.h that is about images.
#include "daemon/rpc/convert.h"
#include "daemon/rpc/timestamp.h"

namespace ember::daemon::rpc {
namespace {

v1::ImageConfig ToProto(const images::ImageConfig& config) {
  v1::ImageConfig proto;
  proto.mutable_env()->Add(config.env.begin(), config.env.end());
  proto.mutable_entrypoint()->Add(config.entrypoint.begin(), config.entrypoint.end());
  proto.mutable_cmd()->Add(config.cmd.begin(), config.cmd.end());
  proto.set_user(config.user);
  proto.set_working_dir(config.working_dir);
  proto.mutable_labels()->insert(config.labels.begin(), config.labels.end());
  proto.set_stop_signal(config.stop_signal);
  proto.mutable_exposed_ports()->Add(config.exposed_ports.begin(), config.exposed_ports.end());
  proto.set_architecture(config.architecture);
  return proto;
}

}  // namespace

v1::Image ToProto(const images::ImageRecord& image, const std::vector<std::string>& used_by) {
  v1::Image proto;
  proto.set_name(image.name);
  proto.set_source(image.source);
  proto.set_digest(image.digest);
  proto.set_size_bytes(image.size_bytes);
  proto.set_disk_bytes(image.disk_bytes);
  proto.set_path(image.rootfs.native());
  SetTimestamp(*proto.mutable_created_at(), image.created_at);
  proto.mutable_used_by()->Add(used_by.begin(), used_by.end());
  proto.set_id(image.id);
  *proto.mutable_config() = ToProto(image.config);
  for (const images::ImageLayer& layer : image.layers) {
    v1::ImageLayer& added = *proto.add_layers();
    added.set_digest(layer.digest);
    added.set_size_bytes(layer.size_bytes);
  }
  proto.mutable_names()->Add(image.names.begin(), image.names.end());
  return proto;
}

v1::SavedImage ToProto(const images::SavedImage& saved) {
  v1::SavedImage proto;
  proto.set_path(saved.path.native());
  proto.set_size_bytes(saved.size_bytes);
  return proto;
}

v1::PruneImagesResponse ToProto(const images::Pruned& pruned) {
  v1::PruneImagesResponse proto;
  proto.mutable_images()->Add(pruned.images.begin(), pruned.images.end());
  proto.mutable_blobs()->Add(pruned.blobs.begin(), pruned.blobs.end());
  proto.set_freed_bytes(pruned.freed_bytes);
  return proto;
}

images::BuildRecipe FromProto(const v1::BuildImageRequest& request) {
  images::BuildRecipe recipe;
  recipe.from = request.from();
  recipe.packages.assign(request.packages().begin(), request.packages().end());
  recipe.size_bytes = request.size_bytes();
  recipe.context = request.context();
  recipe.dockerfile = request.dockerfile();
  recipe.build_args.insert(request.build_args().begin(), request.build_args().end());
  recipe.target = request.target();
  return recipe;
}

images::PullRequest FromProto(const v1::PullImageRequest& request) {
  images::PullRequest pull;
  pull.reference = request.reference();
  pull.name = request.name();
  pull.auth_file = request.auth_file();
  pull.plain_http = request.plain_http();
  pull.size_bytes = request.size_bytes();
  return pull;
}

images::LoadRequest FromProto(const v1::LoadImageRequest& request) {
  return {request.path(), request.name(), request.size_bytes()};
}

images::SaveRequest FromProto(const v1::SaveImageRequest& request) {
  const bool docker = request.format() == v1::SaveImageRequest::DOCKER_ARCHIVE;
  return {request.name(), request.path(),
          docker ? images::ArchiveFormat::kDocker : images::ArchiveFormat::kOci};
}

}  // namespace ember::daemon::rpc
