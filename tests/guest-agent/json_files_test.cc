#include <sys/stat.h>

#include "guest-agent/json/base64.h"
#include "tests/guest-agent/json_client.h"
#include "tests/support/text.h"

using namespace ember;
using namespace ember::testing;
using agent::DecodeBase64;
using agent::EncodeBase64;
using nlohmann::json;

namespace {

// An agent, a client of it, and a folder to work in.
struct FileContext {
  AgentProcess agent;
  JsonClient client{agent};
  TempDir folder;

  std::string path(std::string_view name) const { return (folder / name).native(); }
  void Put(std::string_view name, std::string_view content) const {
    REQUIRE_OK(WriteFileAtomically(folder / name, content, 0600));
  }
  json Read(const std::string& path) { return client.Call({{"op", "read_file"}, {"path", path}}); }
  json Write(const std::string& path, std::string_view content) {
    return client.Call({{"op", "write_file"}, {"path", path}, {"data", EncodeBase64(content)}});
  }
  std::string ReadError(const std::string& path) {
    return client.Refusal({{"op", "read_file"}, {"path", path}});
  }
  std::string WriteError(const std::string& path) {
    return client.Refusal({{"op", "write_file"}, {"path", path}, {"data", "eA=="}});
  }
  mode_t ModeOf(std::string_view name) const {
    struct stat info;
    REQUIRE(lstat(path(name).c_str(), &info) == 0);
    return info.st_mode & 07777;
  }
  size_t CountEntries() const {
    return static_cast<size_t>(
        std::distance(std::filesystem::directory_iterator(folder.path()), {}));
  }
};

const json kOk = {{"ok", true}};

}  // namespace

TEST_CASE("read_file gives any bytes as base64", "[agent][json][files]") {
  FileContext context;
  const std::string bytes("\0\xff\xfe text\n", 9);
  context.Put("data", bytes);
  context.Put("empty", "");
  CHECK(context.Read(context.path("data")) == json({{"data", EncodeBase64(bytes)}}));
  CHECK(context.Read(context.path("empty")) == json({{"data", ""}}));
}

TEST_CASE("read_file reads files of /proc, which tell no size", "[agent][json][files]") {
  FileContext context;
  const std::string data = context.Read("/proc/self/status")["data"];
  CHECK(Contains(ValueOf(DecodeBase64(data)), "Name:\temberd"));
}

TEST_CASE("read_file follows links and names what it can't read", "[agent][json][files]") {
  FileContext context;
  context.Put("data", "x");
  std::filesystem::create_symlink("data", context.folder / "link");
  CHECK(context.Read(context.path("link"))["data"] == "eA==");
  CHECK(context.ReadError("/no/such/file") ==
        "read_file: /no/such/file: open: No such file or directory");
  CHECK(context.ReadError("/tmp") == "read_file: /tmp: open: Is a directory");
}

TEST_CASE("read_file waits for no FIFO and no device", "[agent][json][files]") {
  FileContext context;
  REQUIRE(mkfifo(context.path("fifo").c_str(), 0600) == 0);
  CHECK(context.ReadError(context.path("fifo")) ==
        "read_file: " + context.path("fifo") + ": it is not a regular file");
  CHECK(Contains(context.ReadError("/dev/zero"), "not a regular file"));
}

TEST_CASE("read_file stops at 64 MiB", "[agent][json][files]") {
  FileContext context;
  context.Put("large", "");
  std::filesystem::resize_file(context.folder / "large", size_t{64} << 20);
  const std::string data = context.Read(context.path("large"))["data"];
  CHECK(data.size() == ((size_t{64} << 20) + 2) / 3 * 4);
  std::filesystem::resize_file(context.folder / "large", (size_t{64} << 20) + 1);
  CHECK(Contains(context.ReadError(context.path("large")), "larger than 67108864 bytes"));
}

TEST_CASE("write_file makes a file that anybody may read", "[agent][json][files]") {
  FileContext context;
  const std::string bytes("a\0b\xff", 4);
  CHECK(context.Write(context.path("new"), bytes) == kOk);
  CHECK(ValueOf(ReadFile(context.folder / "new")) == bytes);
  CHECK(context.ModeOf("new") == 0644);
  CHECK(context.CountEntries() == 1);
}

TEST_CASE("write_file keeps mode and owner of the file that it replaces", "[agent][json][files]") {
  FileContext context;
  context.Put("old", "old");
  std::filesystem::permissions(context.folder / "old", std::filesystem::perms(0750));
  if (geteuid() == 0) REQUIRE(chown(context.path("old").c_str(), 1234, 60) == 0);
  CHECK(context.Write(context.path("old"), "new") == kOk);
  CHECK(ValueOf(ReadFile(context.folder / "old")) == "new");
  struct stat info;
  REQUIRE(stat(context.path("old").c_str(), &info) == 0);
  CHECK((info.st_mode & 07777) == 0750);
  if (geteuid() == 0) CHECK((info.st_uid == 1234 && info.st_gid == 60));
  CHECK(context.CountEntries() == 1);
}

TEST_CASE("write_file writes to where a link leads, and keeps the link", "[agent][json][files]") {
  FileContext context;
  std::filesystem::create_directory(context.folder / "real");
  std::filesystem::create_symlink("real/file", context.folder / "link");
  std::filesystem::create_symlink(context.folder / "link", context.folder / "second");
  for (const char* content : {"made", "replaced"}) {
    CHECK(context.Write(context.path("second"), content) == kOk);
    CHECK(ValueOf(ReadFile(context.folder / "real" / "file")) == content);
  }
  CHECK(std::filesystem::is_symlink(context.folder / "link"));
  std::filesystem::create_symlink("loop", context.folder / "loop");
  CHECK(Contains(context.WriteError(context.path("loop")), "symbolic links"));
}

TEST_CASE("write_file refuses what it can't replace and leaves nothing", "[agent][json][files]") {
  FileContext context;
  std::filesystem::create_directory(context.folder / "folder");
  REQUIRE(mkfifo(context.path("fifo").c_str(), 0600) == 0);
  CHECK(context.WriteError(context.path("folder")) ==
        "write_file: " + context.path("folder") + ": open: Is a directory");
  CHECK(Contains(context.WriteError(context.path("fifo")), "not a regular file"));
  CHECK(context.WriteError(context.path("missing/file")) ==
        "write_file: " + context.path("missing/file") + ": open: No such file or directory");
  CHECK(context.CountEntries() == 2);
}

TEST_CASE("write_file names base64 where the data is none", "[agent][json][files]") {
  FileContext context;
  context.Put("old", "old");
  for (const char* data : {"eA", "eA=", "e A=", "eA==\n", "-_-_", "eB=="}) {
    const std::string error = context.client.Refusal(
        {{"op", "write_file"}, {"path", context.path("old")}, {"data", data}});
    CHECK(error.starts_with("write_file: base64"));
  }
  CHECK(ValueOf(ReadFile(context.folder / "old")) == "old");
}

TEST_CASE("file requests with missing or wrong fields say which", "[agent][json][files]") {
  FileContext context;
  JsonClient& client = context.client;
  CHECK(client.Refusal({{"op", "read_file"}}) == "missing 'path' field");
  CHECK(client.Refusal({{"op", "read_file"}, {"path", nullptr}}) == "missing 'path' field");
  CHECK(client.Refusal({{"op", "read_file"}, {"path", 5}}) == "read_file: 'path' must be a string");
  CHECK(
      client.Refusal({{"op", "read_file"}, {"path", ""}}).starts_with("read_file: 'path' must be"));
  CHECK(client.Refusal({{"op", "read_file"}, {"path", std::string("/etc\0x", 6)}})
            .starts_with("read_file: 'path' must be"));
  CHECK(client.Refusal({{"op", "write_file"}, {"data", ""}}) == "missing 'path' field");
  CHECK(client.Refusal({{"op", "write_file"}, {"path", "/tmp/x"}}) == "missing 'data' field");
  CHECK(client.Refusal({{"op", "write_file"}, {"path", "/tmp/x"}, {"data", 1}}) ==
        "write_file: 'data' must be a string");
}

TEST_CASE("a large file goes through both ways", "[agent][json][files]") {
  FileContext context;
  std::string bytes(20 << 20, '\0');
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i * 2654435761U >> 13);
  CHECK(context.Write(context.path("large"), bytes) == kOk);
  const std::string data = context.Read(context.path("large"))["data"];
  CHECK(ValueOf(DecodeBase64(data)) == bytes);
}

TEST_CASE("work on files keeps the order of its connection", "[agent][json][files]") {
  FileContext context;
  std::string lines;
  for (int i = 0; i < 50; ++i) {
    const std::string data = EncodeBase64(std::to_string(i));
    lines +=
        json({{"op", "write_file"}, {"path", context.path("file")}, {"data", data}}).dump() + "\n";
    lines += json({{"op", "read_file"}, {"path", context.path("file")}}).dump() + "\n";
  }
  context.client.SendRaw(lines);
  for (int i = 0; i < 50; ++i) {
    REQUIRE(context.client.Receive() == kOk);
    REQUIRE(context.client.Receive()["data"] == EncodeBase64(std::to_string(i)));
  }
}
