#include <sys/stat.h>

#include "tests/base/tree/tar_stream.h"
#include "tests/guest-agent/file_client.h"
#include "tests/support/temp_dir.h"

using namespace ember;
using namespace ember::testing;

TEST_CASE("a tree goes out of the guest and back into it", "[agent][files]") {
  AgentProcess agent;
  TempDir temp;
  std::filesystem::create_directories(temp / "from/d");
  Write(temp / "from/d/f", "content");
  Write(temp / "from/large", std::string(1'500'000, 'l'));
  std::filesystem::create_symlink("d/f", temp / "from/link");
  REQUIRE(::chmod((temp / "from/d/f").c_str(), 0751) == 0);
  const auto read = FileClient(agent).ReadTree(temp / "from");
  REQUIRE(read.end.has_value());
  CHECK(read.end->files() == 5);
  CHECK(read.end->bytes() == 1'500'007);
  SECTION("as a new name") {
    const auto written = FileClient(agent).WriteTree(temp / "to", read.stream, "from");
    REQUIRE(written.end.has_value());
    CHECK(written.end->files() == 5);
    CHECK(written.end->bytes() == 1'500'007);
    CHECK(Listing(temp / "to") == Listing(temp / "from"));
  }
  SECTION("into a directory that is there") {
    std::filesystem::create_directory(temp / "to");
    REQUIRE(FileClient(agent).WriteTree(temp / "to", read.stream, "given").end.has_value());
    CHECK(Listing(temp / "to/given") == Listing(temp / "from"));
  }
  SECTION("as contents") {
    const auto contents = FileClient(agent).ReadTree(temp / "from", true);
    REQUIRE(FileClient(agent).WriteTree(temp / "to", contents.stream).end.has_value());
    CHECK(Listing(temp / "to") == Listing(temp / "from"));
  }
}

TEST_CASE("a tree that can't be read says why", "[agent][files]") {
  AgentProcess agent;
  CHECK(FileClient(agent).ReadTree("/missing/file").reason() == v1::Failure::NOT_FOUND);
  CHECK(FileClient(agent).ReadTree("relative").reason() == v1::Failure::BAD_REQUEST);
  CHECK(FileClient(agent).ReadTree("/").reason() == v1::Failure::BAD_REQUEST);
}

TEST_CASE("a tree that can't be written says why and leaves nothing", "[agent][files]") {
  AgentProcess agent;
  TempDir temp;
  std::filesystem::create_directory(temp / "to");
  const std::string file = TarStream().File("f", "x").Whole();
  CHECK(FileClient(agent).WriteTree(temp / "a/b", file, "f").reason() == v1::Failure::NOT_FOUND);
  CHECK(FileClient(agent).WriteTree("to", file).reason() == v1::Failure::BAD_REQUEST);
  CHECK(FileClient(agent).WriteTree(temp / "to", "garbage").reason() == v1::Failure::BAD_REQUEST);
  CHECK(FileClient(agent).WriteTree(temp / "to", std::string(2000, 'x')).reason() ==
        v1::Failure::BAD_REQUEST);
  CHECK(FileClient(agent).WriteTree(temp / "to", file.substr(0, 512)).reason() ==
        v1::Failure::BAD_REQUEST);
  CHECK(FileClient(agent).WriteTree(temp / "to", TarStream().File("../f", "x").Whole()).reason() ==
        v1::Failure::DENIED);
  CHECK(FileClient(agent)
            .WriteTree(temp / "to", TarStream().Symlink("l", "/tmp").File("l/f", "x").Whole())
            .reason() == v1::Failure::DENIED);
  std::filesystem::create_directory(temp / "to/f");
  CHECK(FileClient(agent).WriteTree(temp / "to", file).reason() == v1::Failure::EXISTS);
  std::filesystem::remove(temp / "to/f");
  std::filesystem::remove(temp / "to/l");
  CHECK(std::filesystem::is_empty(temp / "to"));
}

TEST_CASE("frames that are no part of a tree end its session", "[agent][files]") {
  AgentProcess agent;
  TempDir temp;
  FileClient client(agent);
  client.BeginWrite(temp / "to");
  SECTION("another kind") { client.connection().Signal(15); }
  SECTION("no message") { client.connection().SendRaw(std::string("\x03\0\0\0\xff\xff\xff", 7)); }
  SECTION("too long a frame") { client.connection().SendRaw("\xff\xff\xff\xff"); }
  SECTION("too long a piece") { client.Data(std::string((256 << 10) + 1, 'x')); }
  CHECK(client.Finish().reason() == v1::Failure::BAD_REQUEST);
}

TEST_CASE("frames of a tree are read however they are cut", "[agent][files]") {
  AgentProcess agent;
  TempDir temp;
  v1::ClientFrame begin;
  begin.mutable_write_tree()->set_path(temp / "to");
  std::string bytes;
  AppendFrame(begin.SerializeAsString(), bytes);
  const std::string stream = TarStream().File("f", "content").Whole();
  for (size_t at = 0; at < stream.size(); at += 100) {
    v1::ClientFrame frame;
    frame.mutable_tree_data()->set_payload(stream.substr(at, 100));
    AppendFrame(frame.SerializeAsString(), bytes);
  }
  v1::ClientFrame end;
  end.mutable_tree_end();
  AppendFrame(end.SerializeAsString(), bytes);
  const size_t step = GENERATE(size_t{1}, size_t{50}, size_t{100'000});
  FileClient client(agent);
  for (size_t at = 0; at < bytes.size(); at += step) {
    client.connection().SendRaw(std::string_view(bytes).substr(at, step));
  }
  CHECK(client.Finish().end.has_value());
  CHECK(ContentOf(temp / "to/f") == "content");
}

TEST_CASE("a client that leaves in the middle of a file leaves nothing of it", "[agent][files]") {
  AgentProcess agent;
  TempDir temp;
  const std::string stream =
      TarStream().File("whole", "x").File("cut", std::string(500'000, 'c')).bytes();
  const bool half_frame = GENERATE(false, true);
  {
    FileClient client(agent);
    client.BeginWrite(temp / "to");
    client.Data(std::string_view(stream).substr(0, 200'000));
    if (half_frame) client.connection().SendRaw(std::string("\x00\x10\0\0half", 8));
    // The file is being written by now.
    REQUIRE(Eventually([&] {
      return std::filesystem::exists(temp / "to/whole") && EntryCount(temp / "to") == 2;
    }));
  }
  CHECK(Eventually([&] { return EntryCount(temp / "to") == 1; }));
}

TEST_CASE("the end of the agent ends a tree under way", "[agent][files]") {
  TempDir temp;
  std::optional<AgentProcess> agent(std::in_place);
  FileClient client(*agent);
  client.BeginWrite(temp / "to");
  client.Data(std::string_view(TarStream().File("cut", std::string(500'000, 'c')).bytes())
                  .substr(0, 200'000));
  REQUIRE(Eventually(
      [&] { return std::filesystem::exists(temp / "to") && EntryCount(temp / "to") == 1; }));
  agent.reset();
  CHECK(Listing(temp / "to").empty());
}

TEST_CASE("a client that does not read holds the agent, not its memory", "[agent][files]") {
  AgentProcess agent;
  TempDir temp;
  Write(temp / "f", "");
  REQUIRE(::truncate((temp / "f").c_str(), off_t{1} << 30) == 0);
  FileClient slow(agent);
  v1::ClientFrame frame;
  frame.mutable_read_tree()->set_path("/dev/../proc/self/exe");
  frame.mutable_read_tree()->set_follow_symlinks(true);
  slow.connection().Send(frame);
  // The others are served meanwhile.
  CHECK(FileClient(agent).ReadTree(temp / "f").end.has_value());
  CHECK(slow.Finish().end.has_value());
}
