#include <csignal>
#include <string>

#include "tests/base/tree/tar_stream.h"
#include "tests/cli/ember_program.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace ember::testing {
namespace {

using Catch::Matchers::Contains;

struct CopyContext : EmberContext {
  CopyContext() { std::filesystem::create_directory(dir() / "to"); }
  std::string To(const std::string& name = "") const { return (dir() / "to" / name).native(); }
  std::vector<std::string> Arrived() const { return Listing(dir() / "to"); }
};

TEST_CASE("cp says what goes where to the daemon", "[cli][cp]") {
  CopyContext context;
  Write(context.To("f"), "content");
  REQUIRE(context.Run({"cp", context.To("f"), "web:dir/name", "--owner"}).code == 0);
  const auto start = context.host().files().last_start();
  CHECK(start.vm() == "web");
  CHECK(start.path() == "/root/dir/name");
  CHECK(start.single());
  CHECK(start.name() == "f");
  CHECK(start.keep_owner());
  REQUIRE_OK(Unpack(context.host().files().Get("/root/dir/name"), context.To("back")));
  CHECK(ContentOf(context.To("back/f")) == "content");
  REQUIRE(context.Run({"cp", context.To("."), "web:/all"}).code == 0);
  CHECK_FALSE(context.host().files().last_start().single());
}

TEST_CASE("a tree passes from VM to VM as it is", "[cli][cp]") {
  CopyContext context;
  const std::string stream = TarStream().File("f", std::string(3'000'000, 'x')).Whole();
  context.host().files().Put("/from", stream);
  REQUIRE(context.Run({"cp", "one:/from", "two:/to"}).code == 0);
  CHECK(context.host().files().Get("/to") == stream);
  CHECK(context.host().files().last_start().name() == "from");
}

TEST_CASE("what a guest sends stays below the destination", "[cli][cp]") {
  CopyContext context;
  Write(context.dir() / "secret", "secret");
  auto& files = context.host().files();
  files.Put("/up", TarStream().Directory("up").File("up/../../secret", "evil").Whole());
  files.Put("/absolute", TarStream().File((context.dir() / "secret").native(), "evil").Whole());
  files.Put("/link", TarStream()
                         .Directory("link")
                         .Symlink("link/l", "../..")
                         .File("link/l/secret", "evil")
                         .Whole());
  for (const std::string path : {"/up", "/absolute", "/link"}) {
    CAPTURE(path);
    const ProgramResult result = context.Run({"cp", "web:" + path, context.To()});
    CHECK(result.code == 8);
    CHECK_THAT(result.err, Contains("error: "));
  }
  CHECK(ContentOf(context.dir() / "secret") == "secret");
}

TEST_CASE("a tree that is no tree is refused, also when it never ends", "[cli][cp]") {
  CopyContext context;
  auto& files = context.host().files();
  files.Put("/endless", "garbage");
  files.Put("/cut", TarStream().File("cut", std::string(5000, 'x')).bytes().substr(0, 3000));
  CHECK(context.Run({"cp", "web:/endless", context.To()}).code != 0);
  CHECK(context.Run({"cp", "web:/cut", context.To()}).code != 0);
  CHECK(context.Run({"fs", "cat", "web:/endless"}).code != 0);
  CHECK(context.Arrived().empty());
}

TEST_CASE("names that can't be carried are told, and the copy is good", "[cli][cp]") {
  CopyContext context;
  context.host().files().Put("/f", TarStream().File("f", "x").Whole());
  const ProgramResult result = context.Run({"cp", "web:/f", context.To()});
  CHECK(result.code == 0);
  CHECK_THAT(result.err, Contains("not copied: socket"));
  CHECK(ContentOf(context.To("f")) == "x");
}

TEST_CASE("the daemon's refusal ends a copy under way", "[cli][cp]") {
  CopyContext context;
  Write(context.To("large"), std::string(20'000'000, 'x'));
  const ProgramResult full = context.Run({"cp", context.To("large"), "web:/full"});
  CHECK(full.code == 6);
  CHECK_THAT(full.err, Contains("No space left on device"));
  context.host().files().Put("/from", TarStream().File("f", std::string(20'000'000, 'x')).Whole());
  CHECK(context.Run({"cp", "one:/from", "two:/full"}).code == 6);
  CHECK(context.Run({"cp", "one:/missing", "two:/x"}).code == 4);
  CHECK(context.Run({"cp", context.To("missing"), "two:/x"}).code == 4);
}

TEST_CASE("Ctrl-C ends a copy and its partial file", "[cli][cp]") {
  CopyContext context;
  tree::Entry entry;
  entry.name = "endless";
  std::string header;
  tree::AppendTarHeader(entry, tree::Storage::kPlain, uint64_t{1} << 40, header);
  context.host().files().Put("/endless", header);
  RunningEmber copy = context.Start({"cp", "web:/endless", context.To()});
  const Cancellation patience = Cancellation::After(absl::Seconds(20));
  while (context.Arrived().empty()) {
    REQUIRE_OK(patience.Pause(absl::Milliseconds(5), "the partial file"));
  }
  REQUIRE_OK(copy.process().Signal(SIGINT));
  CHECK(copy.Wait() == 130);
  CHECK(context.Arrived().empty());
}

TEST_CASE("one side of a copy must be a VM", "[cli][cp]") {
  CopyContext context;
  const ProgramResult result = context.Run({"cp", context.To("a"), context.To("b")});
  CHECK(result.code == 2);
  CHECK_THAT(result.err, Contains("VM:PATH"));
}

TEST_CASE("fs ls sorts by name and shows nothing that moves the cursor", "[cli][fs]") {
  CopyContext context;
  const ProgramResult table = context.Run({"fs", "ls", "web:/list"});
  CHECK(table.code == 0);
  CHECK_THAT(table.out, Contains("-rwsr-xr-x"));
  CHECK(table.out.find('\x1b') == std::string::npos);
  CHECK(table.out.find(" a\n") < table.out.find("[2J"));
  CHECK_THAT(context.Run({"fs", "ls", "web:/list", "--format", "json"}).out,
             Contains("\"mode\": \"4755\""));
  CHECK(context.Run({"fs", "ls", "web:/missing"}).code == 4);
  CHECK(context.Run({"fs", "ls", "/list"}).code == 2);
}

TEST_CASE("fs stat tells of a link and its target", "[cli][fs]") {
  CopyContext context;
  const ProgramResult text = context.Run({"fs", "stat", "web:link"});
  CHECK(text.code == 0);
  CHECK_THAT(text.out, Contains("/root/link -> target"));
}

}  // namespace
}  // namespace ember::testing
