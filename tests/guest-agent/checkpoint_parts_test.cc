#include <fcntl.h>

#include "guest-agent/json/checkpoint_store.h"
#include "guest-agent/json/gzip.h"
#include "guest-agent/json/manifest.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

using namespace ember;
using namespace ember::agent;
using ember::testing::TempDir;
using ember::testing::ValueOf;

namespace {

std::string Packed(std::string_view plain) {
  std::string packed;
  GzipWriter gzip([&packed](std::string_view bytes) {
    packed += bytes;
    return absl::OkStatus();
  });
  REQUIRE_OK(gzip.Append(plain));
  REQUIRE_OK(gzip.Finish());
  return packed;
}

absl::StatusOr<std::string> Unpacked(std::string_view packed, size_t step) {
  std::string plain;
  GzipReader gzip([&plain](std::string_view bytes) {
    plain += bytes;
    return absl::OkStatus();
  });
  for (size_t at = 0; at < packed.size(); at += step) {
    if (absl::Status read = gzip.Append(packed.substr(at, step)); !read.ok()) return read;
  }
  if (absl::Status ended = gzip.Finish(); !ended.ok()) return ended;
  return plain;
}

}  // namespace

TEST_CASE("gzip gives back what went in, however it is cut", "[agent][gzip]") {
  std::string plain;
  for (size_t i = 0; i < 300000; ++i) plain += static_cast<char>(i * i >> 5);
  const std::string packed = Packed(plain);
  CHECK(ValueOf(Unpacked(packed, packed.size())) == plain);
  CHECK(ValueOf(Unpacked(packed, 1000)) == plain);
  CHECK(ValueOf(Unpacked(Packed(""), 1)).empty());
  CHECK(ValueOf(Unpacked(Packed(std::string(1 << 20, 'x')), 7)).size() == 1 << 20);
}

TEST_CASE("a damaged gzip stream is data loss", "[agent][gzip]") {
  const std::string packed = Packed(std::string(100000, 'x'));
  CHECK(absl::IsDataLoss(Unpacked(packed.substr(0, packed.size() - 1), 64).status()));
  CHECK(absl::IsDataLoss(Unpacked(packed + "x", packed.size() + 1).status()));
  CHECK(absl::IsDataLoss(Unpacked(packed + "x", 16).status()));
  CHECK(absl::IsDataLoss(Unpacked("no gzip at all", 3).status()));
  CHECK(absl::IsDataLoss(Unpacked("", 1).status()));
}

TEST_CASE("a manifest comes back as it was written", "[agent][checkpoint]") {
  const Manifest manifest{"before \"it\"", WorkspaceMethod::kTarGz, {"/tmp/a", "/tmp/b/c d"}};
  const Manifest back = ValueOf(ParseManifest(TextOf(manifest)));
  CHECK(back.name == manifest.name);
  CHECK(back.method == manifest.method);
  CHECK(back.tmp_files == manifest.tmp_files);
  CHECK_FALSE(ValueOf(ParseManifest(TextOf(Manifest{}))).name.has_value());
}

TEST_CASE("a hostile manifest is refused", "[agent][checkpoint]") {
  const auto with = [](const std::string& files) {
    return ParseManifest("{\"name\":null,\"workspace_method\":\"tar.gz\",\"tmp_files\":" + files +
                         "}")
        .status();
  };
  REQUIRE_OK(with("[\"/tmp/x\"]"));
  for (const char* files :
       {"[\"/tmp/../etc/passwd\"]", "[\"/etc/passwd\"]", "[\"tmp/x\"]", "[\"/tmp\"]", "[\"/tmp/\"]",
        "[\"/tmp/.\"]", "[\"/tmpx/y\"]", "[5]", "{}", "null", "\"\""}) {
    INFO(files);
    CHECK(absl::IsInvalidArgument(with(files)));
  }
  CHECK_FALSE(ParseManifest("[]").ok());
  CHECK_FALSE(ParseManifest("no").ok());
  CHECK_FALSE(ParseManifest("{\"workspace_method\":\"zip\",\"tmp_files\":[]}").ok());
}

TEST_CASE("a checkpoint id has only plain characters", "[agent][checkpoint]") {
  REQUIRE_OK(CheckCheckpointId(ValueOf(NewCheckpointId())));
  REQUIRE_OK(CheckCheckpointId("A-z_0.9"));
  for (const char* id :
       {"", ".", "..", "a..b", ".staging-x", "a/b", "/a", "a b", "\xc3\xa4", "a\n"}) {
    INFO(id);
    CHECK(absl::IsInvalidArgument(CheckCheckpointId(id)));
  }
}

TEST_CASE("two can't have the checkpoints of one folder open", "[agent][checkpoint]") {
  TempDir directory;
  const auto open = [&directory](const Cancellation& cancellation) {
    return CheckpointStore::Open(directory / "deep" / "store", CheckpointStore::IfMissing::kMake,
                                 cancellation);
  };
  const auto first = open({});
  REQUIRE_OK(first);
  CHECK(absl::IsDeadlineExceeded(open(Cancellation::After(absl::Milliseconds(50))).status()));
  CHECK(fcntl(first->folder(), F_GETFD) == FD_CLOEXEC);
}
