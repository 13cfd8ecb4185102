#include "state/vm_name.h"

#include <string>

#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace ember::state {
namespace {

TEST_CASE("a name of 1 to 63 of a-z, 0-9 and '-' is a vm name", "[state][vm_name]") {
  for (const std::string& name : {std::string("a"), std::string("dev"), std::string("dev-1"),
                                  std::string("a--b"), std::string(63, 'x')}) {
    INFO(name);
    CHECK(ValidateVmName(name).ok());
  }
}

TEST_CASE("a refused name says which rule it breaks", "[state][vm_name]") {
  struct Case {
    std::string name;
    std::string message;
  };
  const Case cases[] = {
      {"", "invalid vm name '': it is empty"},
      {std::string(64, 'x'), "invalid vm name '" + std::string(64, 'x') +
                                 "': it has 64 characters, at most 63 are allowed"},
      {"Dev", "invalid vm name 'Dev': upper-case letters are not allowed"},
      {"my vm", "invalid vm name 'my vm': blanks are not allowed"},
      {"a_b", "invalid vm name 'a_b': '_' is not allowed"},
      {"../x", "invalid vm name '../x': '.' is not allowed"},
      {"1dev", "invalid vm name '1dev': it does not start with a letter"},
      {"-dev", "invalid vm name '-dev': it does not start with a letter"},
      {"dev-", "invalid vm name 'dev-': it ends in '-'"},
      {"d\xc3\xa9v", "invalid vm name 'd\xc3\xa9v': only a-z, 0-9 and '-' are allowed"},
      {"a\nb", "invalid vm name 'a?b': only a-z, 0-9 and '-' are allowed"},
  };
  for (const Case& refused : cases) {
    const absl::Status status = ValidateVmName(refused.name);
    CHECK(status.code() == absl::StatusCode::kInvalidArgument);
    CHECK(Message(status) == refused.message);
    CHECK(ReasonOf(status) == "INVALID_NAME");
    CHECK(HintOf(status).has_value());
  }
}

TEST_CASE("a novel in place of a name is not quoted whole", "[state][vm_name]") {
  CHECK(Message(ValidateVmName(std::string(100'000, 'x'))).size() < 200);
}

}  // namespace
}  // namespace ember::state
