#include "state/free_numbers.h"

#include <random>
#include <set>

#include "tests/support/catch.h"

namespace ember::state {
namespace {

TEST_CASE("nothing is known of the edge and above", "[state][free_numbers]") {
  FreeNumbers free(3);
  CHECK(free.LowestGap() == std::nullopt);
  CHECK(free.edge() == 3);
  free.Leased(7);
  CHECK(free.LowestGap() == std::nullopt);
  CHECK(free.edge() == 8);
  free.Released(9);
  CHECK(free.LowestGap() == std::nullopt);
}

TEST_CASE("a number released below the edge is a gap until it is leased", "[state][free_numbers]") {
  FreeNumbers free(0);
  for (const uint64_t number : {0, 1, 2, 3}) free.Leased(number);
  free.Released(2);
  free.Released(1);
  CHECK(free.LowestGap() == 1);
  free.Leased(1);
  CHECK(free.LowestGap() == 2);
  free.Leased(2);
  CHECK(free.LowestGap() == std::nullopt);
  CHECK(free.edge() == 4);
}

TEST_CASE("a rollback takes back what came after its mark", "[state][free_numbers]") {
  FreeNumbers free(0);
  for (const uint64_t number : {0, 1, 2}) free.Leased(number);
  free.Released(1);
  free.Committed();
  const size_t outer = free.Mark();
  free.Leased(1);
  const size_t inner = free.Mark();
  free.Released(0);
  free.Leased(0);
  free.Leased(3);
  free.RollBack(inner);
  CHECK(free.LowestGap() == 3);
  free.RollBack(outer);
  CHECK(free.LowestGap() == 1);
}

TEST_CASE("whatever happens, the lowest free number is known", "[state][free_numbers]") {
  const uint32_t seed = std::random_device()();
  INFO("seed " << seed);
  std::mt19937 random(seed);
  FreeNumbers free(3);
  std::set<uint64_t> leased;
  // What a table would answer, in place of it.
  const auto lowest = [&free, &leased] {
    if (const auto gap = free.LowestGap(); gap.has_value()) return *gap;
    uint64_t number = free.edge();
    while (leased.contains(number)) ++number;
    return number;
  };
  for (int transaction = 0; transaction < 2000; ++transaction) {
    const std::set<uint64_t> before = leased;
    const size_t mark = free.Mark();
    for (uint32_t step = random() % 8; step > 0; --step) {
      if (random() % 2 == 0 || leased.empty()) {
        uint64_t expected = 3;
        while (leased.contains(expected)) ++expected;
        const uint64_t number = lowest();
        REQUIRE(number == expected);
        free.Leased(number);
        leased.insert(number);
      } else {
        const auto victim = std::next(leased.begin(), static_cast<int>(random() % leased.size()));
        free.Released(*victim);
        leased.erase(victim);
      }
    }
    if (random() % 3 == 0) {
      free.RollBack(mark);
      leased = before;
    } else {
      free.Committed();
    }
  }
}

}  // namespace
}  // namespace ember::state
