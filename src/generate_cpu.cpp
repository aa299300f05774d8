#include <fmt/format.h>

#include <vector>

#include "generate_rows.hpp"

namespace hypercopy::generating {
namespace {

constexpr std::array<std::string_view, 10> kCpuMetrics{
    "usage_user", "usage_system",  "usage_idle",  "usage_nice",  "usage_iowait",
    "usage_irq",  "usage_softirq", "usage_steal", "usage_guest", "usage_guest_nice"};

// Values are whole numbers of 1e-10 percent: the same on every machine, and with 12 digits the shortest text
// of their double, which is what PostgreSQL writes.
using Value = std::uint64_t;
constexpr Value kOne = 10'000'000'000;
constexpr Value kHundred = 100 * kOne;
// PostgreSQL writes smaller numbers with an exponent; they become 0.
constexpr Value kSmallest = kOne / 10'000;
// A step is in [-kHalfStep, kHalfStep): 0.86 %. A power of two, so that no division is needed.
constexpr Value kHalfStep = Value{1} << 33U;

Value next_value(Value value, Random& random) {
  const Value up = value + (random() >> 30U);
  const Value walked = up > kHalfStep ? up - kHalfStep : kHalfStep - up;
  const Value reflected = walked > kHundred ? 2 * kHundred - walked : walked;
  return reflected < kSmallest ? 0 : reflected;
}

// "58.13", "7", "0.0215000001": ten decimals, the first two apart from the eight that fill a word.
char* write_value(char* to, Value value) {
  constexpr std::uint32_t kWord = 100'000'000;
  const auto hundredths = static_cast<std::uint32_t>(value / kWord);
  const auto rest = static_cast<std::uint32_t>(value % kWord);
  if (rest == 0) return write_decimal<2>(to, hundredths);
  to = write_short(to, hundredths / 100);
  *to++ = '.';
  to = write_two(to, hundredths % 100);
  const std::uint64_t digits = eight_digits(rest);
  store_digits(to, digits);
  return to + 8 - static_cast<unsigned>(std::countl_zero(digits)) / 8;
}

// One machine: what stands between time and values in each row, and its last values.
struct Host {
  std::array<char, 32> tags{};  // ",12,host_11"
  std::size_t tags_length = 0;
  std::array<Value, kCpuMetrics.size()> values{};
};

std::vector<Host> make_hosts(std::uint32_t count, Random& random) {
  std::vector<Host> hosts(count);
  for (std::uint64_t number = 0; Host & host : hosts) {
    const auto tags = fmt::format_to_n(host.tags.data(), host.tags.size(), ",{},host_{}", number + 1, number);
    host.tags_length = tags.size;
    ++number;
    for (Value& value : host.values) value = random() % kHundred;
  }
  return hosts;
}

char* write_row(char* to, const Moment& moment, Host& host, Random& random) {
  to = moment.put(to);
  std::memcpy(to, host.tags.data(), host.tags.size());
  to += host.tags_length;
  for (Value& value : host.values) {
    value = next_value(value, random);
    *to++ = ',';
    to = write_value(to, value);
  }
  *to++ = '\n';
  return to;
}

}  // namespace

std::vector<GeneratedColumn> cpu_columns() {
  std::vector<GeneratedColumn> columns{{"time", "timestamptz"}, {"tags_id", "integer"}, {"hostname", "text"}};
  for (const std::string_view metric : kCpuMetrics) columns.push_back({metric, "double precision"});
  return columns;
}

Status write_cpu(const GenerateOptions& options, RowWriter& rows) {
  Random random(options.seed);
  std::vector<Host> hosts = make_hosts(options.series, random);
  for (Moment moment(options); rows.wants_more(); moment.advance()) {
    for (std::size_t host = 0; host < hosts.size() && rows.wants_more(); ++host)
      HYPERCOPY_TRY(rows.wrote(write_row(rows.end(), moment, hosts[host], random)));
  }
  return {};
}

}  // namespace hypercopy::generating
