#include "tests/daemon/host_context.h"
#include "tests/support/catch.h"
#include "tests/support/text.h"

namespace ember::daemon {
namespace {

using testing::Contains;
using testing::TextOf;
using testing::ValueOf;

// A host with an image "debian" and a kernel "k".
class CatalogContext : public HostContext {
 public:
  CatalogContext() : HostContext({.needs_kernel = true}) {
    AddImage("debian");
    AddKernel("k");
  }
  static CreateVmSpec FromDebian(std::string name) {
    CreateVmSpec spec = Spec(std::move(name));
    spec.image = "debian";
    return spec;
  }
  Awaited<Done> BeginDeleteImage(std::string name) {
    Awaited<Done> answer;
    host().DeleteImage(std::move(name), answer.reply());
    return answer;
  }
  absl::Status DeleteImage(std::string name) {
    return Answer(BeginDeleteImage(std::move(name))).status();
  }
  absl::Status DeleteKernel(std::string name) {
    Awaited<Done> answer;
    host().DeleteKernel(std::move(name), answer.reply());
    return Answer(answer).status();
  }
};

TEST_CASE("a VM is made from its image and boots the default kernel", "[daemon][catalog]") {
  CatalogContext context;
  const VmView vm = ValueOf(context.Create(CatalogContext::FromDebian("web")));
  CHECK(vm.record.config.kernel == "k");
  CHECK(vm.record.disk.format == "raw");
  const auto spec = context.world.LastSpec();
  REQUIRE(spec->disks.size() == 1);
  CHECK(spec->disks[0].path == vm.record.disk.path);
  CHECK(spec->kernel.filename() == "vmlinux");
}

TEST_CASE("a create without an image, or with one that is not there, is refused",
          "[daemon][catalog]") {
  CatalogContext context;
  CHECK(TextOf(context.Create("web").status()) == "vm 'web': no image was given");
  CreateVmSpec spec = HostContext::Spec("web");
  spec.image = "fedora";
  CHECK(TextOf(context.Create(spec).status()) == "image 'fedora' does not exist");
  spec = CatalogContext::FromDebian("web");
  spec.kernel = "nope";
  CHECK(context.Create(spec).status().code() == absl::StatusCode::kNotFound);
  CHECK(context.List().empty());
}

TEST_CASE("a disk smaller than its image is refused", "[daemon][catalog]") {
  CatalogContext context;
  context.AddImage("big", 8192);
  CreateVmSpec spec = HostContext::Spec("web");
  spec.image = "big";
  spec.disk_bytes = 4096;
  const absl::Status refused = context.Create(spec).status();
  CHECK(refused.code() == absl::StatusCode::kInvalidArgument);
  CHECK(Contains(TextOf(refused), "too small for image 'big'"));
}

TEST_CASE("an image or kernel in use is not deleted", "[daemon][catalog]") {
  CatalogContext context;
  REQUIRE_OK(context.Create(CatalogContext::FromDebian("web")));
  REQUIRE_OK(context.Create(CatalogContext::FromDebian("db")));
  for (const absl::Status& refused : {context.DeleteImage("debian"), context.DeleteKernel("k")}) {
    CHECK(refused.code() == absl::StatusCode::kFailedPrecondition);
    CHECK(ReasonOf(refused) == "IN_USE");
    CHECK(Contains(TextOf(refused), "is in use by VM(s): db, web"));
  }
  REQUIRE_OK(context.Delete("web", Host::DeleteMode::kForce));
  REQUIRE_OK(context.Delete("db", Host::DeleteMode::kForce));
  REQUIRE_OK(context.DeleteImage("debian"));
  REQUIRE_OK(context.DeleteKernel("k"));
  CHECK(context.DeleteImage("debian").code() == absl::StatusCode::kNotFound);
}

TEST_CASE("an image that a create has begun with is not deleted under it", "[daemon][catalog]") {
  CatalogContext context;
  context.disks.gate.Close();
  auto create = context.BeginCreate(CatalogContext::FromDebian("web"));
  REQUIRE_OK(context.disks.gate.AwaitSomebody());
  CHECK(ReasonOf(context.DeleteImage("debian")) == "IN_USE");
  context.disks.gate.Open();
  REQUIRE_OK(HostContext::Answer(create));
}

TEST_CASE("of a create and a delete of its image one wins whole", "[daemon][catalog]") {
  CatalogContext context;
  auto remove = context.BeginDeleteImage("debian");
  auto create = context.BeginCreate(CatalogContext::FromDebian("web"));
  const bool removed = HostContext::Answer(remove).ok();
  const bool created = HostContext::Answer(create).ok();
  CHECK(removed != created);
  CHECK(context.List().size() == (created ? 1 : 0));
}

}  // namespace
}  // namespace ember::daemon
