#include <cstddef>
#include <cstdint>
#include <string_view>

#include "backends/images/image_config.h"
#include "backends/images/oci/blob_store.h"
#include "backends/images/oci/docker_manifest.h"
#include "backends/images/oci/manifest.h"
#include "base/check.h"

using namespace ember::images;

// Any document is read or refused, by every reader; a manifest and a list of images that are read
// are what they say they are, and survive being written.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  (void)KindOfDocument(text, "document");
  (void)ReadOciImageConfig(text);
  if (const auto ids = ParseDiffIds(text, "config"); ids.ok()) {
    for (const std::string& id : *ids) EMBER_CHECK(CheckDigest(id).ok());
  }
  if (const auto items = ParseIndex(text, "index"); items.ok()) {
    for (const IndexItem& item : *items) EMBER_CHECK(CheckDigest(item.manifest.digest).ok());
    if (const auto item = PickItem(*items, "amd64", "index"); item.ok()) {
      EMBER_CHECK(item->os.empty() || item->os == "linux");
    }
  }
  if (const auto manifest = ParseManifest(text, "manifest"); manifest.ok()) {
    const auto again = ParseManifest(ManifestToJson(*manifest), "manifest");
    EMBER_CHECK(again.ok() && *again == *manifest);
  }
  if (const auto items = ParseDockerManifest(text, "manifest.json"); items.ok()) {
    for (const DockerArchiveItem& item : *items) {
      for (const std::string& layer : item.layers) EMBER_CHECK(!layer.starts_with("../"));
    }
  }
  return 0;
}
