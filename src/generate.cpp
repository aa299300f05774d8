#include "hypercopy/generate.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <random>
#include <vector>

namespace hypercopy {
namespace {

constexpr std::array<std::string_view, 10> kCpuMetrics{
    "usage_user", "usage_system",  "usage_idle",  "usage_nice",  "usage_iowait",
    "usage_irq",  "usage_softirq", "usage_steal", "usage_guest", "usage_guest_nice"};

constexpr std::size_t kBlockBytes = 256 * 1024;
// time, tags_id, hostname and ten values of at most 14 bytes, with their commas: no row is longer.
constexpr std::size_t kLongestRow = 256;

// Values are whole numbers of 1e-10 percent: the same on every machine, and with 12 digits the shortest text
// of their double, which is what PostgreSQL writes.
using Value = std::uint64_t;
constexpr Value kOne = 10'000'000'000;
constexpr Value kHundred = 100 * kOne;
// PostgreSQL writes smaller numbers with an exponent; they become 0.
constexpr Value kSmallest = kOne / 10'000;
// A step is in [-kHalfStep, kHalfStep): 0.86 %. A power of two, so that no division is needed.
constexpr Value kHalfStep = Value{1} << 33U;

// std::mt19937_64 is defined to the bit by the standard; its distributions are not, so none is used.
using Random = std::mt19937_64;

Value next_value(Value value, Random& random) {
  const Value up = value + (random() >> 30U);
  const Value walked = up > kHalfStep ? up - kHalfStep : kHalfStep - up;
  const Value reflected = walked > kHundred ? 2 * kHundred - walked : walked;
  return reflected < kSmallest ? 0 : reflected;
}

char* write_text(char* to, std::string_view text) { return std::copy(text.begin(), text.end(), to); }

// REQUIRES: 20 bytes at `to`.
char* write_number(char* to, std::uint64_t number) { return std::to_chars(to, to + 20, number).ptr; }

// "58.13", "7", "0.0215000001"
char* write_value(char* to, Value value) {
  to = write_number(to, value / kOne);
  const Value fraction = value % kOne;
  if (fraction == 0) {
    return to;
  }
  char* const point = to;
  to = write_number(to, kOne + fraction);  // the leading 1 keeps the zeros behind it, and becomes the point
  *point = '.';
  while (to[-1] == '0') {
    --to;
  }
  return to;
}

std::string time_text(std::chrono::sys_seconds time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss clock{time - day};
  return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02}+00", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     clock.hours().count(), clock.minutes().count(), clock.seconds().count());
}

std::string cpu_header() { return fmt::format("time,tags_id,hostname,{}\n", fmt::join(kCpuMetrics, ",")); }

Status check(const CpuOptions& options) {
  constexpr std::chrono::sys_seconds kFirst = std::chrono::sys_days{std::chrono::year{1} / 1 / 1};
  constexpr std::chrono::sys_seconds kLast = std::chrono::sys_days{std::chrono::year{9999} / 12 / 31};
  if (options.hosts == 0) {
    return fail(ErrorKind::usage, "the number of hosts must be at least 1");
  }
  if (options.interval.count() <= 0) {
    return fail(ErrorKind::usage, "the interval must be at least one second");
  }
  if (options.start < kFirst || options.start > kLast) {
    return fail(ErrorKind::usage, "the start must be in the years 1 to 9999");
  }
  const std::uint64_t steps = options.rows / options.hosts;
  const auto room = static_cast<std::uint64_t>((kLast - options.start) / options.interval);
  if (steps > room) {
    return fail(ErrorKind::usage,
                fmt::format("{} rows of {} hosts every {} s go beyond the year 9999", options.rows,
                            options.hosts, options.interval.count()),
                "use more hosts or a shorter interval");
  }
  return {};
}

// One machine: what stands before its values in each row, and its last values.
struct Host {
  std::string tags;  // ",12,host_11"
  std::array<Value, kCpuMetrics.size()> values{};
};

std::vector<Host> make_hosts(std::uint32_t count, Random& random) {
  std::vector<Host> hosts(count);
  for (std::uint64_t number = 0; Host & host : hosts) {
    host.tags = fmt::format(",{},host_{}", number + 1, number);
    ++number;
    for (Value& value : host.values) {
      value = random() % kHundred;
    }
  }
  return hosts;
}

char* write_row(char* to, std::string_view time, Host& host, Random& random) {
  to = write_text(to, time);
  to = write_text(to, host.tags);
  for (Value& value : host.values) {
    value = next_value(value, random);
    *to++ = ',';
    to = write_value(to, value);
  }
  *to++ = '\n';
  return to;
}

// Collects rows and hands them on in blocks.
class BlockWriter {
 public:
  explicit BlockWriter(const BlockSink& sink) : sink_(sink), block_(kBlockBytes), end_(block_.data()) {}

  // Room for one row; the caller writes it and calls wrote() with its end.
  Result<char*> room() {
    if (static_cast<std::size_t>(block_.data() + block_.size() - end_) < kLongestRow) {
      HYPERCOPY_TRY(flush());
    }
    return end_;
  }
  void wrote(char* end) { end_ = end; }

  Status flush() {
    const std::string_view block(block_.data(), static_cast<std::size_t>(end_ - block_.data()));
    end_ = block_.data();
    return block.empty() ? Status{} : sink_(block);
  }

 private:
  const BlockSink& sink_;
  std::vector<char> block_;
  char* end_;
};

}  // namespace

Status generate_cpu(const CpuOptions& options, const BlockSink& sink) {
  HYPERCOPY_TRY(check(options));
  Random random(options.seed);
  std::vector<Host> hosts = make_hosts(options.hosts, random);
  BlockWriter writer(sink);
  if (options.header) {
    HYPERCOPY_TRY(sink(cpu_header()));
  }
  std::chrono::sys_seconds now = options.start;
  for (std::uint64_t left = options.rows; left > 0; now += options.interval) {
    const std::string time = time_text(now);
    const std::size_t measured = std::min<std::uint64_t>(left, hosts.size());
    for (std::size_t i = 0; i < measured; ++i) {
      HYPERCOPY_ASSIGN(char* to, writer.room());
      writer.wrote(write_row(to, time, hosts[i], random));
    }
    left -= measured;
  }
  return writer.flush();
}

std::string cpu_column_definitions() {
  return fmt::format("time timestamptz NOT NULL, tags_id integer, hostname text, {} double precision",
                     fmt::join(kCpuMetrics, " double precision, "));
}

}  // namespace hypercopy
