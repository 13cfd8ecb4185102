#include "backends/images/oci/oci_image.h"

#include "backends/images/file_digest.h"
#include "backends/images/oci/manifest.h"
#include "tests/backends/images/oci/image_shop.h"
#include "tests/support/catch.h"
#include "tests/support/text.h"

namespace ember::images {
namespace {

using testing::Contains;
using testing::ImageShop;
using testing::TarFile;
using testing::TextOf;
using testing::ValueOf;

std::string Why(const ImageShop& shop, const std::string& digest) {
  return TextOf(ReadOciImage(shop.store(), digest).status());
}

TEST_CASE("an image is read with its layers and config", "[images][oci]") {
  ImageShop shop;
  shop.Layer([](TarFile& tar) { tar.File("a", "x"); });
  shop.Layer([](TarFile& tar) { tar.File("b", "x"); });
  const std::string digest = shop.Seal(R"({"Env":["A=1"],"Cmd":["sh"]})");
  const OciImage image = ValueOf(ReadOciImage(shop.store(), digest));
  CHECK(image.manifest_digest == digest);
  CHECK(image.config.env == std::vector<std::string>{"A=1"});
  CHECK(image.config.cmd == std::vector<std::string>{"sh"});
  REQUIRE(image.layers.size() == 2);
  CHECK(image.layers[0].diff_id != image.layers[1].diff_id);
  CHECK(shop.store().Has(image.layers[0].digest));
}

TEST_CASE("of an index the manifest for this host is taken", "[images][oci]") {
  ImageShop shop;
  shop.Layer([](TarFile& tar) { tar.File("a", "x"); });
  const std::string digest = shop.Seal();
  const std::string other = DigestBytes("other");
  const auto index = [&](const std::string& architecture) {
    return ValueOf(shop.store().PutBytes(fmt::format(
        R"({{"schemaVersion":2,"manifests":[
          {{"mediaType":"{2}","digest":"{0}","size":9,
           "platform":{{"os":"windows","architecture":"amd64"}}}},
          {{"mediaType":"{2}","digest":"{0}","size":9,
           "platform":{{"os":"unknown","architecture":"unknown"}}}},
          {{"mediaType":"{2}","digest":"{1}","size":9,
           "platform":{{"os":"linux","architecture":"{3}"}}}}]}})",
        other, digest, kOciManifest, architecture)));
  };
  CHECK(ValueOf(ReadOciImage(shop.store(), index(std::string(ThisArchitecture().debian))))
            .manifest_digest == digest);
  const absl::Status none = ReadOciImage(shop.store(), index("mips")).status();
  CHECK(absl::IsNotFound(none));
  CHECK(Contains(TextOf(none), "it has linux/mips, windows/amd64"));
}

TEST_CASE("an index of itself comes to an end", "[images][oci]") {
  // A digest can't be in what it is a digest of, so the circle is a chain that is too long.
  ImageShop shop;
  std::string digest = shop.Seal();
  for (int i = 0; i < 5; ++i) {
    digest = ValueOf(shop.store().PutBytes(IndexToJson({std::string(kOciIndex), digest, 9}, "")));
  }
  CHECK(Contains(Why(shop, digest), "indexes"));
}

TEST_CASE("Docker's schema 2 is read as the same thing", "[images][oci]") {
  ImageShop shop;
  shop.Layer([](TarFile& tar) { tar.File("a", "x"); });
  std::string manifest = ValueOf(shop.store().Read(shop.Seal(), 1 << 20));
  const auto replace = [&manifest](std::string_view from, std::string_view to) {
    manifest.replace(manifest.find(from), from.size(), to);
  };
  replace(kOciManifest, "application/vnd.docker.distribution.manifest.v2+json");
  replace(kOciConfig, "application/vnd.docker.container.image.v1+json");
  replace(kOciLayerGzip, "application/vnd.docker.image.rootfs.diff.tar.gzip");
  const std::string digest = ValueOf(shop.store().PutBytes(manifest));
  CHECK(ValueOf(ReadOciImage(shop.store(), digest)).layers.size() == 1);
}

TEST_CASE("media types that are not an image's are refused by name", "[images][oci]") {
  ImageShop shop;
  shop.Layer([](TarFile& tar) { tar.File("a", "x"); });
  const std::string sound = ValueOf(shop.store().Read(shop.Seal(), 1 << 20));
  const auto with = [&](std::string_view from, std::string_view to) {
    std::string manifest = sound;
    manifest.replace(manifest.find(from), from.size(), to);
    return Why(shop, ValueOf(shop.store().PutBytes(manifest)));
  };
  CHECK(Contains(with(kOciConfig, "application/vnd.cncf.helm.config.v1+json"), "a Helm chart"));
  CHECK(Contains(with(kOciLayerGzip, "application/x-thing"), "'application/x-thing'"));
  CHECK(Contains(with(kOciLayerGzip, "application/vnd.oci.image.layer.v1.tar+encrypted"),
                 "an encrypted layer"));
  CHECK(Contains(with(kOciManifest, "application/vnd.docker.distribution.manifest.v1+prettyjws"),
                 "schema 1"));
}

TEST_CASE("documents that disagree, and blobs that are missing, are told", "[images][oci]") {
  ImageShop shop;
  shop.Layer([](TarFile& tar) { tar.File("a", "x"); });
  const OciImage image = shop.Image();
  SECTION("another architecture") {
    const absl::Status status = ReadOciImage(shop.store(), shop.Seal("{}", "riscv64")).status();
    CHECK(absl::IsFailedPrecondition(status));
    CHECK(Contains(TextOf(status), "linux/riscv64"));
  }
  SECTION("a missing layer") {
    REQUIRE_OK(shop.store().Remove(image.layers[0].digest));
    CHECK(Contains(Why(shop, image.manifest_digest), "not in the store"));
  }
  SECTION("a missing config") {
    REQUIRE_OK(shop.store().Remove(image.config_digest));
    CHECK(absl::IsNotFound(ReadOciImage(shop.store(), image.manifest_digest).status()));
  }
  SECTION("a layer of another size") {
    std::filesystem::permissions(shop.store().Path(image.layers[0].digest),
                                 std::filesystem::perms::owner_all);
    std::filesystem::resize_file(shop.store().Path(image.layers[0].digest), 10);
    CHECK(Contains(Why(shop, image.manifest_digest), "where the manifest says"));
  }
  SECTION("a damaged manifest") {
    const auto path = shop.store().Path(image.manifest_digest);
    std::filesystem::remove(path);
    std::ofstream(path) << "{}";
    CHECK(absl::IsDataLoss(ReadOciImage(shop.store(), image.manifest_digest).status()));
  }
  SECTION("one diff_id too many") {
    Manifest manifest{{std::string(kOciConfig), image.config_digest, 0}, {}};
    manifest.config.size_bytes = std::filesystem::file_size(shop.store().Path(image.config_digest));
    const std::string digest = ValueOf(shop.store().PutBytes(ManifestToJson(manifest)));
    CHECK(Contains(Why(shop, digest), "0 layers, but its config has 1 diff_ids"));
  }
}

TEST_CASE("a store takes only what has the digest that it is said to have", "[images][oci]") {
  ImageShop shop;
  const auto file = shop / "file";
  REQUIRE_OK(WriteFileAtomically(file, "content", 0644));
  CHECK(absl::IsDataLoss(shop.store().Put(file, DigestBytes("other"), {})));
  CHECK(std::filesystem::exists(file));
  CHECK(absl::IsInvalidArgument(shop.store().Put(file, "sha256:../../etc", {})));
  const std::string digest = DigestBytes("content");
  REQUIRE_OK(shop.store().Put(file, digest, {}));
  CHECK_FALSE(std::filesystem::exists(file));
  CHECK(ValueOf(shop.store().List()) == std::vector<Blob>{{digest, 7}});
  REQUIRE_OK(shop.store().Remove(digest));
  REQUIRE_OK(shop.store().Remove(digest));
  CHECK_FALSE(shop.store().Has(digest));
}

}  // namespace
}  // namespace ember::images
