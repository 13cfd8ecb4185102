#include "guest-agent/json/base64.h"

#include "tests/support/status_matchers.h"
#include "tests/support/text.h"

using namespace ember;
using namespace ember::agent;
using ember::testing::TextOf;
using ember::testing::ValueOf;

TEST_CASE("base64 has the values of RFC 4648, both ways", "[agent][base64]") {
  const std::pair<std::string, std::string> vectors[] = {{"", ""},
                                                         {"f", "Zg=="},
                                                         {"fo", "Zm8="},
                                                         {"foo", "Zm9v"},
                                                         {"foob", "Zm9vYg=="},
                                                         {"fooba", "Zm9vYmE="},
                                                         {"foobar", "Zm9vYmFy"},
                                                         {"\xfb\xff\xfe", "+//+"}};
  for (const auto& [plain, text] : vectors) {
    CHECK(EncodeBase64(plain) == text);
    CHECK(ValueOf(DecodeBase64(text)) == plain);
  }
}

TEST_CASE("base64 of every byte comes back", "[agent][base64]") {
  std::string bytes;
  for (int i = 0; i < 1024; ++i) {
    CHECK(ValueOf(DecodeBase64(EncodeBase64(bytes))) == bytes);
    bytes.push_back(static_cast<char>(i * 7));
  }
}

TEST_CASE("what is not quite base64 is refused", "[agent][base64]") {
  for (const char* text : {"Z", "Zg", "Zg=", "Zg===", "=", "====", "Z===", "Zg==Zg==", "Zm=v",
                           "Zm9v\n", "Zm 9", "Zm9_", "Zm9-", "Zh==", "Zm9=", "Z\xc3\xa4g"}) {
    INFO(text);
    const auto decoded = DecodeBase64(text);
    REQUIRE(absl::IsInvalidArgument(decoded.status()));
    CHECK(TextOf(decoded.status()).find("base64") != std::string::npos);
  }
}
