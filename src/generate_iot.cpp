#include <fmt/format.h>

#include <string>
#include <vector>

#include "generate_rows.hpp"

namespace hypercopy::generating {
namespace {

constexpr std::array<std::string_view, 4> kFleets{"North", "East", "South", "West"};
constexpr std::array<std::string_view, 8> kDrivers{"Albert", "Andy", "Derek", "Ines",
                                                   "Rodney", "Seth", "Trish", "Zoë"};
// No model is NULL: one truck in eight.
constexpr std::array<std::string_view, 8> kModels{"F-150",  "G-2000", "H-2", "F-150",
                                                  "G-2000", "H-2",    "H-2", ""};
constexpr std::size_t kReadings = 8;
constexpr unsigned kLateInverse = 20;

// One truck: what stands between time and readings in each row, and its last readings as whole numbers.
struct Truck {
  std::array<char, 64> tags{};  // ",truck_12,North,Trish,F-150"
  std::size_t tags_length = 0;
  std::array<std::int32_t, kReadings> readings{};
};

struct Reading {
  std::string_view name;
  std::int32_t most;   // in units of its last decimal
  std::int32_t scale;  // of one small step
};

constexpr std::array<Reading, kReadings> kColumns{{{"latitude", 18'000'000, 20},
                                                   {"longitude", 36'000'000, 20},
                                                   {"elevation", 50'000, 1},
                                                   {"velocity", 1'200, 1},
                                                   {"heading", 3'599, 1},
                                                   {"grade", 1'000, 1},
                                                   {"fuel_consumption", 5'000, 1},
                                                   {"fuel_state", 10'000, 1}}};

std::vector<Truck> make_trucks(std::uint32_t count, Random& random) {
  std::vector<Truck> trucks(count);
  for (std::uint32_t number = 0; Truck & truck : trucks) {
    const std::uint64_t bits = random();
    const auto tags =
        fmt::format_to_n(truck.tags.data(), truck.tags.size(), ",truck_{},{},{},{}", number++,
                         pick(kFleets, bits), pick(kDrivers, bits >> 8U), pick(kModels, bits >> 16U));
    truck.tags_length = tags.size;
    for (std::size_t i = 0; i < kReadings; ++i)
      truck.readings[i] =
          static_cast<std::int32_t>(one_of(random, static_cast<std::uint64_t>(kColumns[i].most)));
  }
  return trucks;
}

void drive(Truck& truck, std::uint64_t bits) {
  for (std::size_t i = 0; i < kReadings; ++i, bits >>= 8U)
    truck.readings[i] = walk(truck.readings[i], small_step(bits) * kColumns[i].scale, kColumns[i].most);
}

// A reading that is missing in one row of 16: there is none when the four lowest bits are 0.
template <unsigned decimals>
char* write_or_null(char* to, std::int32_t reading, std::uint64_t bits) {
  *to++ = ',';
  return (bits & 0xfU) == 0 ? to : write_decimal<decimals>(to, static_cast<std::uint64_t>(reading));
}

// An angle of five decimals around `zero`; PostgreSQL writes the smallest ones with an exponent: they are 0.
char* write_angle(char* to, std::int32_t reading, std::int32_t zero) {
  const std::int32_t angle = reading - zero;
  *to++ = ',';
  return write_signed_decimal<5>(to, angle > -10 && angle < 10 ? 0 : angle);
}

template <unsigned decimals>
char* write_reading(char* to, std::int32_t reading) {
  *to++ = ',';
  return write_decimal<decimals>(to, static_cast<std::uint64_t>(reading));
}

char* write_row(char* to, const Moment& moment, const Truck& truck, std::uint64_t null_bits) {
  to = moment.put(to);
  std::memcpy(to, truck.tags.data(), truck.tags.size());
  to += truck.tags_length;
  const auto& readings = truck.readings;
  to = write_angle(to, readings[0], kColumns[0].most / 2);
  to = write_angle(to, readings[1], kColumns[1].most / 2);
  to = write_or_null<1>(to, readings[2], null_bits);
  to = write_reading<1>(to, readings[3]);
  to = write_or_null<1>(to, readings[4], null_bits >> 4U);
  to = write_or_null<1>(to, readings[5], null_bits >> 8U);
  to = write_reading<2>(to, readings[6]);
  to = write_or_null<4>(to, readings[7], null_bits >> 12U);
  *to++ = '\n';
  return to;
}

// Rows on their way, by the step in which they arrive.
class LateRows {
 public:
  // Takes the row [begin, end) to be written 1 to kMostLateSteps steps after `step`.
  void put(std::uint64_t step, std::uint64_t bits, const char* begin, const char* end) {
    arrivals_[(step + 1 + bits % kMostLateSteps) % arrivals_.size()].emplace_back(begin, end);
  }
  [[nodiscard]] Status write(std::uint64_t step, RowWriter& rows) {
    auto& arrived = arrivals_[step % arrivals_.size()];
    for (const std::string& row : arrived) {
      if (!rows.wants_more()) break;
      HYPERCOPY_TRY(rows.wrote(write_text(rows.end(), row)));
    }
    arrived.clear();
    return {};
  }

 private:
  std::array<std::vector<std::string>, kMostLateSteps + 1> arrivals_;
};

}  // namespace

std::vector<GeneratedColumn> iot_columns() {
  std::vector<GeneratedColumn> columns{
      {"time", "timestamptz"}, {"name", "text"}, {"fleet", "text"}, {"driver", "text"}, {"model", "text"}};
  for (const Reading& reading : kColumns) columns.push_back({reading.name, "double precision"});
  return columns;
}

Status write_iot(const GenerateOptions& options, RowWriter& rows) {
  Random random(options.seed);
  std::vector<Truck> trucks = make_trucks(options.series, random);
  LateRows late;
  std::uint64_t step = 0;
  for (Moment moment(options); rows.wants_more(); moment.advance(), ++step) {
    HYPERCOPY_TRY(late.write(step, rows));
    for (std::size_t i = 0; i < trucks.size() && rows.wants_more(); ++i) {
      drive(trucks[i], random());
      const std::uint64_t bits = random();
      char* const begin = rows.end();
      const char* const end = write_row(begin, moment, trucks[i], bits);
      const bool is_late = (bits >> 32U) % kLateInverse == 0;
      if (is_late) late.put(step, bits >> 16U & 0xffffU, begin, end);
      if (!is_late) HYPERCOPY_TRY(rows.wrote(end));
    }
  }
  return {};
}

}  // namespace hypercopy::generating
