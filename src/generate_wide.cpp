#include <vector>

#include "generate_rows.hpp"

namespace hypercopy::generating {
namespace {

constexpr std::size_t kPairs = 49;  // an integer and a float each
constexpr std::int32_t kMost = 9'999'999;
constexpr std::int32_t kIntegerStep = 37;
constexpr std::int32_t kFloatStep = 211;

struct ColumnName {
  char text[4];  // i01 .. i49, f01 .. f49, without a zero byte behind
};

constexpr std::array<ColumnName, 2 * kPairs> kNames = [] {
  std::array<ColumnName, 2 * kPairs> names{};
  for (std::size_t i = 0; i < names.size(); ++i) {
    const std::size_t number = i / 2 + 1;
    names[i] = {{i % 2 == 0 ? 'i' : 'f', static_cast<char>('0' + number / 10),
                 static_cast<char>('0' + number % 10), '\0'}};
  }
  return names;
}();

// One device's last values: integers, and ten-thousandths, in turns.
using Device = std::array<std::int32_t, 2 * kPairs>;

std::vector<Device> make_devices(std::uint32_t count, Random& random) {
  std::vector<Device> devices(count);
  for (Device& device : devices) {
    for (std::int32_t& value : device) value = static_cast<std::int32_t>(one_of(random, kMost));
  }
  return devices;
}

// Eight bits of random are enough for a step: four pairs from each number.
char* write_row(char* to, const Moment& moment, std::uint32_t number, Device& device, Random& random) {
  to = moment.put(to);
  *to++ = ',';
  to = write_number(to, number);
  std::uint64_t bits = 0;
  for (std::size_t i = 0; i < device.size(); i += 2) {
    bits = i % 8 == 0 ? random() : bits >> 16U;
    device[i] = walk(device[i], small_step(bits) * kIntegerStep, kMost);
    device[i + 1] = walk(device[i + 1], small_step(bits >> 8U) * kFloatStep, kMost);
    *to++ = ',';
    to = write_short(to, static_cast<std::uint32_t>(device[i]));
    *to++ = ',';
    to = write_decimal<4>(to, static_cast<std::uint64_t>(device[i + 1]));
  }
  *to++ = '\n';
  return to;
}

}  // namespace

std::vector<GeneratedColumn> wide_columns() {
  std::vector<GeneratedColumn> columns{{"time", "timestamptz"}, {"device_id", "integer"}};
  for (const ColumnName& name : kNames)
    columns.push_back({{name.text, 3}, name.text[0] == 'i' ? "integer" : "double precision"});
  return columns;
}

Status write_wide(const GenerateOptions& options, RowWriter& rows) {
  Random random(options.seed);
  std::vector<Device> devices = make_devices(options.series, random);
  for (Moment moment(options); rows.wants_more(); moment.advance()) {
    for (std::uint32_t i = 0; i < devices.size() && rows.wants_more(); ++i)
      HYPERCOPY_TRY(rows.wrote(write_row(rows.end(), moment, i + 1, devices[i], random)));
  }
  return {};
}

}  // namespace hypercopy::generating
