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
  Awaited<Done> BeginDeleteImage(std::string name,
                                 Host::DeleteMode mode = Host::DeleteMode::kStoppedOnly) {
    Awaited<Done> answer;
    host().DeleteImage(std::move(name), mode, answer.reply());
    return answer;
  }
  absl::Status DeleteImage(std::string name) {
    return Answer(BeginDeleteImage(std::move(name))).status();
  }
  absl::Status Tag(std::string name, std::string new_name, images::NameMode mode) {
    Awaited<images::ImageRecord> answer;
    catalog().TagImage(std::move(name), std::move(new_name), mode, answer.reply());
    return Answer(answer).status();
  }
  absl::StatusOr<images::Pruned> Prune(Host::PruneScope scope, bool dry_run) {
    Awaited<images::Pruned> answer;
    host().PruneImages(scope, dry_run, answer.reply());
    return Answer(answer);
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

TEST_CASE("an image is deleted with the VMs made from it by force", "[daemon][catalog]") {
  CatalogContext context;
  context.AddImage("other");
  REQUIRE_OK(context.Create(CatalogContext::FromDebian("web")));
  CreateVmSpec idle = CatalogContext::FromDebian("db");
  idle.start = false;
  REQUIRE_OK(context.Create(idle));
  CreateVmSpec stays = HostContext::Spec("stays");
  stays.image = "other";
  REQUIRE_OK(context.Create(stays));
  REQUIRE_OK(HostContext::Answer(context.BeginDeleteImage("debian", Host::DeleteMode::kForce)));
  CHECK(context.List().size() == 1);
  for (const char* name : {"web", "db"}) {
    CHECK(absl::IsNotFound(context.Get(name).status()));
    CHECK_FALSE(std::filesystem::exists(context.VmDir(name)));
  }
  CHECK_FALSE(context.world.Running().contains("web"));
  CHECK(context.DeleteImage("debian").code() == absl::StatusCode::kNotFound);
}

TEST_CASE("an image stays when one of its VMs can't be deleted", "[daemon][catalog]") {
  CatalogContext context;
  context.disks.gate.Close();
  auto create = context.BeginCreate(CatalogContext::FromDebian("web"));
  REQUIRE_OK(context.disks.gate.AwaitSomebody());
  const absl::Status refused =
      HostContext::Answer(context.BeginDeleteImage("debian", Host::DeleteMode::kForce)).status();
  CHECK(Contains(TextOf(refused), "image 'debian' stays"));
  context.disks.gate.Open();
  REQUIRE_OK(HostContext::Answer(create));
  // And it can be used and deleted as before.
  REQUIRE_OK(context.Create(CatalogContext::FromDebian("db")));
  REQUIRE_OK(HostContext::Answer(context.BeginDeleteImage("debian", Host::DeleteMode::kForce)));
}

TEST_CASE("a VM knows its image when the name has gone to another", "[daemon][catalog]") {
  CatalogContext context;
  context.AddImage("other", 8192);
  const VmView vm = ValueOf(context.Create(CatalogContext::FromDebian("web")));
  REQUIRE_OK(context.Tag("other", "debian", images::NameMode::kMove));
  CHECK(ReasonOf(context.DeleteImage(vm.record.image->id)) == "IN_USE");
  // The name is the other's, whom nobody uses.
  REQUIRE_OK(context.DeleteImage("debian"));
  CHECK(ReasonOf(context.DeleteImage(vm.record.image->id)) == "IN_USE");
}

TEST_CASE("a prune deletes images that no VM was made from", "[daemon][catalog]") {
  CatalogContext context;
  context.AddImage("spare", 8192);
  context.AddImage("old", 16384);
  REQUIRE_OK(context.Create(CatalogContext::FromDebian("web")));
  REQUIRE_OK(context.Tag("spare", "old", images::NameMode::kMove));
  const images::Pruned would = ValueOf(context.Prune(Host::PruneScope::kUnnamed, true));
  CHECK(would.images.size() == 1);
  CHECK(ValueOf(context.Prune(Host::PruneScope::kUnnamed, false)) == would);
  CHECK(ValueOf(context.Prune(Host::PruneScope::kUnnamed, false)).images.empty());
  CHECK(ValueOf(context.Prune(Host::PruneScope::kAll, false)).images ==
        std::vector<std::string>{"old"});
  CHECK(ReasonOf(context.DeleteImage("debian")) == "IN_USE");
}

TEST_CASE("VMs of earlier versions get their image noted", "[daemon][catalog]") {
  CatalogContext context;
  const VmView made = ValueOf(context.Create(CatalogContext::FromDebian("web")));
  context.End();
  {
    auto database = ValueOf(state::Database::Open(context.state_dir() / "state.db"));
    REQUIRE_OK(database->Trust());
    REQUIRE_OK(database->Execute("DELETE FROM vm_image"));
  }
  context.Begin();
  CHECK(ValueOf(context.Get("web")).record.image == made.record.image);
  CHECK(ReasonOf(context.DeleteImage("debian")) == "IN_USE");
}

}  // namespace
}  // namespace ember::daemon
