#include "cli/table.h"

#include "tests/support/catch.h"

namespace ember::cli {
namespace {

TEST_CASE("columns are as wide as their widest cell", "[cli][table]") {
  Table table({"NAME", "UP", "IMAGE"});
  table.Add({"a-long-name", "✓", "x"});
  table.Add({"b", "", ""});
  CHECK(table.Text() ==
        "NAME         UP  IMAGE\n"
        "a-long-name  ✓   x\n"
        "b            -   -\n");
}

TEST_CASE("a cell can't break out of its row", "[cli][table]") {
  Table table({"NAME"});
  table.Add({"x\n\x1b[31mroot"});
  CHECK(table.Text() == "NAME\nx\\n\\e[31mroot\n");
}

TEST_CASE("keys and values are aligned", "[cli][table]") {
  CHECK(KeyValueText({{"name", "web"}, {"long key", ""}}) == "name:      web\nlong key:  -\n");
}

}  // namespace
}  // namespace ember::cli
