#include "backends/images/url_download.h"

#include "base/file.h"
#include "base/status.h"
#include "tests/backends/images/web_server.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace ember::images {
namespace {

using testing::ValueOf;
using testing::WebServer;
using Answer = WebServer::Answer;

Cancellation Soon() { return Cancellation::After(absl::Minutes(1)); }
const std::string kBody = std::string(100'000, 'a') + std::string(100'000, 'b');

// A server with a script, and a folder to download to.
struct Shop {
  explicit Shop(WebServer::Script script) : server(std::move(script)) {}

  absl::Status Get(std::string_view path, int attempts = 1) {
    Download download;
    download.url = server.Url(path);
    download.target = dir / "file";
    download.max_bytes = 1'000'000;
    download.stall_limit = stall_limit;
    download.attempts = attempts;
    download.pause = absl::ZeroDuration();
    return DownloadFile(
        download, [this](const Progress& step) { last = step; }, Soon());
  }
  std::string Content() { return ValueOf(ReadFile(dir / "file")); }

  testing::TempDir dir;
  // Long where the server answers: a busy machine may be slow.
  absl::Duration stall_limit = absl::Seconds(60);
  Progress last;
  WebServer server;
};

std::string RangeOf(const std::string& request) {
  const size_t at = request.find("Range: bytes=");
  return at == request.npos ? "" : request.substr(at + 13, request.find('\r', at) - at - 13);
}

std::string Part(size_t from, const std::string& more_headers = "ETag: \"one\"\r\n") {
  const std::string rest = kBody.substr(from);
  return fmt::format(
      "HTTP/1.1 206 Partial Content\r\nContent-Length: {}\r\nContent-Range: bytes {}-{}/{}\r\n{}"
      "\r\n{}",
      rest.size(), from, kBody.size() - 1, kBody.size(), more_headers, rest);
}

TEST_CASE("a file is downloaded with progress", "[images][download]") {
  Shop shop([](const auto&) { return Answer{WebServer::Ok(kBody)}; });
  REQUIRE_OK(shop.Get("/vmlinuz"));
  CHECK(shop.Content() == kBody);
  CHECK(shop.last == Progress{"downloading", shop.server.Url("/vmlinuz"), 200'000, 200'000});
  CHECK(shop.server.requests().size() == 1);
}

TEST_CASE("an empty file is downloaded as one", "[images][download]") {
  Shop shop([](const auto&) { return Answer{WebServer::Ok("")}; });
  REQUIRE_OK(shop.Get("/empty"));
  CHECK(shop.Content().empty());
}

TEST_CASE("a redirect is followed, but not for ever nor to a file of the host",
          "[images][download]") {
  Shop shop([](const std::string& request) {
    if (request.starts_with("GET /here ")) return Answer{WebServer::Ok("there")};
    if (request.starts_with("GET /loop ")) {
      return Answer{WebServer::Status(302, "Location: /loop\r\n")};
    }
    if (request.starts_with("GET /file ")) {
      return Answer{WebServer::Status(302, "Location: file:///etc/passwd\r\n")};
    }
    return Answer{WebServer::Status(302, "Location: /here\r\n")};
  });
  REQUIRE_OK(shop.Get("/elsewhere"));
  CHECK(shop.Content() == "there");
  CHECK(absl::IsFailedPrecondition(shop.Get("/loop", 3)));
  CHECK(absl::IsFailedPrecondition(shop.Get("/file", 3)));
}

TEST_CASE("a transfer that breaks off goes on where it stopped", "[images][download]") {
  Shop shop([](const std::string& request) {
    if (RangeOf(request).empty()) {
      return Answer{WebServer::Ok(kBody, "ETag: \"one\"\r\n").substr(0, 150'000)};
    }
    return Answer{Part(std::stoul(RangeOf(request)))};
  });
  REQUIRE_OK(shop.Get("/vmlinuz", 2));
  CHECK(shop.Content() == kBody);
  const auto requests = shop.server.requests();
  REQUIRE(requests.size() == 2);
  CHECK(std::stoul(RangeOf(requests[1])) > 100'000);
  CHECK(requests[1].find("If-Range: \"one\"") != std::string::npos);
}

TEST_CASE("a file that has changed meanwhile is taken from its beginning", "[images][download]") {
  Shop shop([](const std::string& request) {
    if (RangeOf(request).empty()) {
      return Answer{WebServer::Ok(kBody, "ETag: \"one\"\r\n").substr(0, 150'000)};
    }
    return Answer{WebServer::Ok("another file", "ETag: \"two\"\r\n")};
  });
  REQUIRE_OK(shop.Get("/vmlinuz", 2));
  CHECK(shop.Content() == "another file");
}

TEST_CASE("without a sign that a file is the same it is taken anew", "[images][download]") {
  int request_number = 0;
  Shop shop([&request_number](const std::string&) {
    const std::string whole = WebServer::Ok(kBody, "ETag: W/\"weak\"\r\n");
    return Answer{++request_number == 1 ? whole.substr(0, 150'000) : whole};
  });
  REQUIRE_OK(shop.Get("/vmlinuz", 2));
  CHECK(shop.Content() == kBody);
  CHECK(RangeOf(shop.server.requests()[1]).empty());
}

TEST_CASE("another part than the one asked for is not taken", "[images][download]") {
  Shop shop([](const std::string& request) {
    if (RangeOf(request).empty()) {
      return Answer{WebServer::Ok(kBody, "ETag: \"one\"\r\n").substr(0, 150'000)};
    }
    return Answer{Part(7)};
  });
  const absl::Status status = shop.Get("/vmlinuz", 2);
  INFO(status.ToString());
  CHECK(absl::IsUnavailable(status));
  CHECK(Message(status).find("another part") != std::string_view::npos);
}

TEST_CASE("a server that stands still is told by name", "[images][download]") {
  std::string bytes;
  auto limit = absl::Seconds(1);
  std::string reason = "nothing came for 1s after 0 bytes";
  SECTION("from the start") {}
  SECTION("in the middle") {
    bytes = WebServer::Ok(kBody).substr(0, 1'000);
    limit = absl::Seconds(5);  // so that a busy machine brings the first bytes in time
    reason = "nothing came for 5s after";
  }
  Shop shop([&](const auto&) { return Answer{bytes, Answer::Then::kStandStill}; });
  shop.stall_limit = limit;
  const absl::Status status = shop.Get("/vmlinuz");
  INFO(status.ToString());
  CHECK(absl::IsDeadlineExceeded(status));
  CHECK(Message(status).find(reason) != std::string_view::npos);
  if (!bytes.empty()) CHECK(Message(status).find("of 200000 bytes") != std::string_view::npos);
  CHECK(Message(status).find(shop.server.Url("/vmlinuz")) != std::string_view::npos);
}

TEST_CASE("a server that stood still is asked again", "[images][download]") {
  Shop shop([asked = 0](const auto&) mutable {
    return ++asked == 1 ? Answer{"", Answer::Then::kStandStill} : Answer{WebServer::Ok(kBody)};
  });
  shop.stall_limit = absl::Seconds(5);
  REQUIRE_OK(shop.Get("/vmlinuz", 10));
  CHECK(shop.Content() == kBody);
  CHECK(shop.server.requests().size() >= 2);
}

TEST_CASE("a server that breaks off or is busy is asked again and told by name",
          "[images][download]") {
  std::string bytes;
  std::string reason;
  SECTION("shorter than it says") {
    bytes = WebServer::Ok(kBody).substr(0, 150'000);
    reason = "of 200000 bytes";
  }
  SECTION("busy") {
    bytes = WebServer::Status(503);
    reason = "answers 503";
  }
  SECTION("too many requests") {
    bytes = WebServer::Status(429);
    reason = "answers 429";
  }
  SECTION("no answer at all") { reason = "broke off after 0 bytes"; }
  Shop shop([&](const auto&) { return Answer{bytes}; });
  const absl::Status status = shop.Get("/vmlinuz", 2);
  INFO(status.ToString());
  CHECK(absl::IsUnavailable(status));
  CHECK(Message(status).find(reason) != std::string_view::npos);
  CHECK(Message(status).find(shop.server.Url("/vmlinuz")) != std::string_view::npos);
  CHECK(shop.server.requests().size() == 2);
}

TEST_CASE("what no second attempt would change is not tried again", "[images][download]") {
  std::string bytes;
  auto code = absl::StatusCode::kNotFound;
  SECTION("no such file") { bytes = WebServer::Status(404); }
  SECTION("not for us") {
    bytes = WebServer::Status(403);
    code = absl::StatusCode::kPermissionDenied;
  }
  SECTION("too large, and said so") {
    bytes = "HTTP/1.1 200 OK\r\nContent-Length: 1000001\r\n\r\nabc";
    code = absl::StatusCode::kResourceExhausted;
  }
  SECTION("too large without a word") {
    bytes = "HTTP/1.1 200 OK\r\n\r\n" + std::string(1'000'001, 'x');
    code = absl::StatusCode::kResourceExhausted;
  }
  Shop shop([&](const auto&) { return Answer{bytes}; });
  const absl::Status status = shop.Get("/vmlinuz", 3);
  INFO(status.ToString());
  CHECK(status.code() == code);
  CHECK(shop.server.requests().size() == 1);
}

TEST_CASE("a download ends at once when it is cancelled", "[images][download]") {
  std::stop_source stop;
  WebServer server([&stop](const auto&) {
    stop.request_stop();
    return Answer{"", Answer::Then::kStandStill};
  });
  testing::TempDir dir;
  Download download;
  download.url = server.Url("/vmlinuz");
  download.target = dir / "file";
  const absl::Status status = DownloadFile(download, {}, {stop.get_token(), Soon().deadline});
  INFO(status.ToString());
  CHECK(absl::IsCancelled(status));
}

TEST_CASE("a port where nobody listens and a full disk are told", "[images][download]") {
  testing::TempDir dir;
  Download download;
  {
    download.url = WebServer([](const auto&) { return Answer{}; }).Url("/");
  }
  download.target = dir / "file";
  download.max_bytes = 1'000'000;
  download.attempts = 1;
  CHECK(absl::IsUnavailable(DownloadFile(download, {}, Soon())));
  if (access("/dev/full", W_OK) != 0) EMBER_SKIP("no /dev/full");
  WebServer server([](const auto&) { return Answer{WebServer::Ok(kBody)}; });
  download.url = server.Url("/");
  download.target = "/dev/full";
  const absl::Status full = DownloadFile(download, {}, Soon());
  INFO(full.ToString());
  CHECK_FALSE(full.ok());
}

TEST_CASE("an address is shown without what may be secret in it", "[images][download]") {
  CHECK(ShownUrl("https://me:word@host:8443/a/b?token=x#y") == "https://host:8443/a/b");
  CHECK(ShownUrl("http://host/vmlinuz") == "http://host/vmlinuz");
  CHECK(IsUrl("HTTPS://host/x"));
  CHECK_FALSE(IsUrl("/srv/http://x"));
  CHECK_FALSE(IsUrl("ftp://host/x"));
}

}  // namespace
}  // namespace ember::images
