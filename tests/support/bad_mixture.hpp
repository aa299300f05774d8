// Input of good records with bad ones of every kind among them, and the table that refuses each for its own reason.
// Shape:   what is good, bad and corrected stands in `all` in the order of the numbers; the bad ones take each kind in turn.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <vector>

namespace hypercopy::test {

struct Mixture {
  std::string all;
  std::string good;
  std::string bad;
  std::string corrected;  // the bad ones
  std::uint64_t good_records = 0;
  std::vector<std::string> sqlstates{};  // of the bad ones
};

struct BadKind {
  const char* sqlstate;
  std::string record;
};

inline constexpr const char* kBadMixtureParents =
    "CREATE TABLE one (id int PRIMARY KEY); INSERT INTO one VALUES (1), (88);"
    "CREATE TABLE other (id int PRIMARY KEY); INSERT INTO other VALUES (1), (77)";

inline std::string bad_mixture_table(const std::string& name) {
  return fmt::format(
      "CREATE TABLE {0} (id int, n int CHECK (n >= 0), v text NOT NULL, d date, f int, CONSTRAINT {0}_unique "
      "UNIQUE (id), "
      "CONSTRAINT {0}_one FOREIGN KEY (f) REFERENCES one, CONSTRAINT {0}_other FOREIGN KEY (f) REFERENCES "
      "other "
      "DEFERRABLE INITIALLY DEFERRED)",
      name);
}

inline std::string good_record(std::uint64_t number) {
  return fmt::format("{},{},\"text, {}\",2024-01-{:02},1\n", number, number % 100, number, 1 + number % 28);
}

// `taken`: the id of a row that is there before.
inline std::vector<BadKind> bad_kinds(std::uint64_t number, std::uint64_t taken) {
  return {{"22P02", fmt::format("{},ten,x,2024-01-01,1\n", number)},
          {"22008", fmt::format("{},1,x,2024-02-30,1\n", number)},
          {"22003", fmt::format("{},99999999999,\"x\ny\",2024-01-01,1\n", number)},
          {"23502", fmt::format("{},1,,2024-01-01,1\n", number)},
          {"23514", fmt::format("{},-5,x,2024-01-01,1\n", number)},
          {"23505", fmt::format("{},1,x,2024-01-01,1\n", taken)},
          {"23503", fmt::format("{},1,x,2024-01-01,77\n", number)},
          {"23503", fmt::format("{},1,x,2024-01-01,88\n", number)},
          {"22021", fmt::format("{},1,\xff,2024-01-01,1\n", number)},
          {"22P04", fmt::format("{},1,x\n", number)},
          {"22P04", fmt::format("{},1,x,2024-01-01,1,6\n", number)}};
}

// Those numbers from 1 to `records` are bad that is_bad says; taken(number) as for bad_kinds().
template <typename IsBad, typename Taken>
Mixture mix(std::uint64_t records, IsBad is_bad, Taken taken) {
  Mixture mixture;
  std::size_t turn = 0;
  for (std::uint64_t number = 1; number <= records; ++number) {
    const std::string good = good_record(number);
    if (!is_bad(number)) {
      mixture.all += good;
      mixture.good += good;
      ++mixture.good_records;
      continue;
    }
    const auto kinds = bad_kinds(number, taken(number));
    const BadKind& kind = kinds[turn++ % kinds.size()];
    mixture.all += kind.record;
    mixture.bad += kind.record;
    mixture.corrected += good;
    mixture.sqlstates.emplace_back(kind.sqlstate);
  }
  return mixture;
}

}  // namespace hypercopy::test
