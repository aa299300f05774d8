// One column per type: each value is written as the type's output function writes it, and put between quotes
// where COPY TO does that.
#include "generate_rows.hpp"

namespace hypercopy::generating {
namespace {

using WriteValue = char* (*)(char* to, Random& random);

struct TypedColumn {
  std::string_view name;
  std::string_view type;
  WriteValue write;
};

constexpr std::array<OwnType, 2> kOwnTypes{
    {{"level", "TYPE", "AS ENUM ('low', 'medium', 'high, or more')"},
     {"percent", "DOMAIN", "AS smallint CHECK (VALUE BETWEEN 0 AND 100)"}}};

constexpr std::array<std::string_view, 8> kWords{"pump",   "Kühlkreis", "north gate", "センサー",
                                                 "клапан", "a",         "belt-7",     "valve_12"};
// At most eight characters, filled up with blanks as COPY TO writes a char(8).
constexpr std::array<std::string_view, 4> kPadded{"a       ", "Öl      ", "valve 12", "x y z   "};
constexpr std::array<std::string_view, 4> kLevels{"low", "medium", "\"high, or more\"", "low"};
// Elements of a text array, quoted for the array and then for CSV.
constexpr std::array<std::string_view, 8> kElements{"a",        "NULL",        "\"\"x y\"\"",
                                                    "\"\"\"\"", "\"\"b,c\"\"", "\"\"say \\\"\"hi\\\"\"\"\"",
                                                    "Öl",       "\"\"NULL\"\""};
constexpr std::array<std::string_view, 4> kZones{"+00", "-03", "+05:30", "+14"};

constexpr std::uint32_t kSecondsPerDay = 86'400;
constexpr std::uint32_t kMicrosPerSecond = 1'000'000;
constexpr std::uint32_t kDays = 80 * 365;  // 1960 to 2039
constexpr std::chrono::sys_days kFirstDay{std::chrono::year{1960} / 1 / 1};

// Below `limit`, from 32 bits by a product instead of a division.
std::uint32_t below(std::uint32_t limit, std::uint64_t bits) {
  return static_cast<std::uint32_t>(((bits & 0xffff'ffffU) * limit) >> 32U);
}

template <typename Integer>
char* write_integer(char* to, Random& random) {
  return write_signed(to, static_cast<Integer>(random()));
}

char* write_sign(char* to, std::uint64_t bits, bool is_zero) {
  *to = '-';
  return to + ((bits >> 63U) != 0 && !is_zero ? 1 : 0);
}

// Six digits are the same after a way through a float.
char* write_float4(char* to, Random& random) {
  const std::uint64_t bits = random();
  const std::uint32_t hundredths = below(1'000'000, bits);
  return write_decimal<2>(write_sign(to, bits, hundredths == 0), hundredths);
}

// "1.2345e+67". Below 10^40 such a number may lie exactly between two doubles, for which PostgreSQL writes
// more digits than are needed.
char* write_scientific(char* to, std::uint64_t bits) {
  constexpr std::uint32_t kOne = 100'000;
  to = write_decimal<5>(to, kOne + below(9 * kOne, bits));
  *to++ = 'e';
  *to++ = (bits & 1U) != 0 ? '-' : '+';
  return write_short(to, 40 + below(250, bits >> 32U & 0x7fff'ffffU));
}

// Fifteen digits are the same after a way through a double. One in eight has an exponent.
char* write_float8(char* to, Random& random) {
  const std::uint64_t bits = random();
  to = write_sign(to, bits, false);
  if ((bits & 0x7U) == 0) return write_scientific(to, bits);
  const std::uint32_t millions = 1 + below(999'999, bits);
  const std::uint32_t fraction = below(100'000'000, random());
  return write_fraction<8>(write_short(to, millions), fraction);
}

char* write_eight(char* to, std::uint32_t number) {
  store_digits(to, eight_digits(number));
  return to + 8;
}

// Up to 16 digits before and 16 behind the point, with the zeros at the end that numeric keeps; NaN.
char* write_numeric(char* to, Random& random) {
  constexpr std::uint32_t kWord = 100'000'000;
  const std::uint64_t bits = random();
  if ((bits & 0xf0U) == 0) return write_text(to, "NaN");
  to = write_short(write_sign(to, bits, false), 1 + below(kWord - 1, bits));
  if ((bits & 1U) != 0) to = write_eight(to, below(kWord, random()));
  if ((bits & 6U) == 0) return to;
  *to++ = '.';
  to = write_eight(to, below(kWord, random()));
  return (bits & 2U) != 0 ? write_eight(to, below(kWord, random())) - (bits >> 8U & 7U) : to;
}

char* write_money_like(char* to, Random& random) {
  const std::uint64_t bits = random();
  const std::uint32_t units = below(100'000'000, bits);
  const std::uint32_t hundredths = below(100, bits >> 31U);
  to = write_short(write_sign(to, bits, units + hundredths == 0), units);
  *to++ = '.';
  return write_two(to, hundredths);
}

char* write_bool(char* to, Random& random) {
  *to++ = random() % 2 == 0 ? 'f' : 't';
  return to;
}

char* write_word(char* to, Random& random) { return write_text(to, pick(kWords, random())); }
char* write_padded(char* to, Random& random) { return write_text(to, pick(kPadded, random())); }
char* write_level(char* to, Random& random) { return write_text(to, pick(kLevels, random())); }

char* write_words(char* to, Random& random) {
  const std::uint64_t bits = random();
  to = write_text(to, pick(kWords, bits));
  *to++ = ' ';
  to = write_text(to, pick(kWords, bits >> 8U));
  *to++ = '#';
  return write_short(to, static_cast<std::uint32_t>(bits >> 40U));
}

char* write_some_timestamp(char* to, std::uint64_t bits) {
  const std::uint64_t second =
      static_cast<std::uint64_t>(below(kDays, bits)) * kSecondsPerDay + below(kSecondsPerDay, bits >> 32U);
  return write_timestamp(to, std::chrono::sys_seconds(kFirstDay) + std::chrono::seconds(second));
}

char* write_timestamptz(char* to, Random& random) {
  to = write_some_timestamp(to, random());
  to = write_fraction<6>(to, below(kMicrosPerSecond, random()));
  return write_text(to, "+00");
}
char* write_timestamp_micros(char* to, Random& random) {
  to = write_some_timestamp(to, random());
  return write_fraction<6>(to, below(kMicrosPerSecond, random()));
}
char* write_timestamp_millis(char* to, Random& random) {
  to = write_some_timestamp(to, random());
  return write_fraction<3>(to, below(1000, random()));
}

char* write_day(char* to, Random& random) {
  return write_date(to, kFirstDay + std::chrono::days(below(kDays, random())));
}

char* write_time(char* to, Random& random) {
  const std::uint64_t bits = random();
  return write_fraction<6>(write_clock(to, below(kSecondsPerDay, bits)),
                           below(kMicrosPerSecond, bits >> 32U));
}
char* write_timetz(char* to, Random& random) {
  to = write_time(to, random);
  return write_text(to, pick(kZones, random()));
}

// "3 years ", "1 mon ", nothing for 0.
char* write_unit(char* to, std::uint32_t count, std::string_view unit) {
  if (count == 0) return to;
  to = write_short(to, count);
  to = write_text(to, unit);
  to = write_text(to, count == 1 ? " " : "s ");
  return to;
}

char* write_interval(char* to, Random& random) {
  const std::uint64_t bits = random();
  to = write_unit(to, below(4, bits << 16U), " year");
  to = write_unit(to, below(12, bits), " mon");
  to = write_unit(to, below(31, bits >> 32U), " day");
  // One call a statement: compilers evaluate arguments in orders of their own.
  const auto micros = below(kMicrosPerSecond, random());
  const auto seconds = 1 + below(kSecondsPerDay - 1, random());
  return write_fraction<6>(write_clock(to, seconds), micros);
}

char* write_uuid(char* to, Random& random) {
  const std::uint64_t high = random();
  to = write_hex(to, high, 4);
  for (const unsigned shift : {32U, 48U}) {
    *to++ = '-';
    to = write_hex(to, high >> shift, 2);
  }
  const std::uint64_t low = random();
  *to++ = '-';
  to = write_hex(to, low, 2);
  *to++ = '-';
  return write_hex(to, low >> 16U, 6);
}

char* write_bytea(char* to, Random& random) {
  to = write_text(to, "\\x");
  for (std::uint64_t words = random() % 4; words > 0; --words) to = write_hex(to, random(), 8);
  return to;
}

char* write_json(char* to, Random& random) {
  const std::uint64_t bits = random();
  to = write_text(to, "\"{\"\"id\"\" :");
  to = write_short(to, below(1'000'000, bits));
  to = write_text(to, ",\"\"tags\"\": [\"\"");
  to = write_text(to, pick(kWords, bits >> 40U));
  return write_text(to, "\"\", null]}\"");
}

// As jsonb writes it: keys by length, one blank behind ':' and ','.
char* write_jsonb(char* to, Random& random) {
  const std::uint64_t bits = random();
  to = write_text(to, "\"{\"\"id\"\": ");
  to = write_short(to, below(1'000'000, bits));
  to = write_text(to, ", \"\"ok\"\": ");
  to = write_text(to, (bits >> 63U) != 0 ? "true" : "false");
  to = write_text(to, ", \"\"name\"\": \"\"");
  to = write_text(to, pick(kWords, bits >> 40U));
  return write_text(to, "\"\"}\"");
}

char* write_bytes_of_address(char* to, std::uint64_t bits, unsigned count) {
  for (unsigned at = 0; at < count; ++at, bits >>= 8U) {
    to = write_short(to, bits & 0xffU);
    *to++ = '.';
  }
  return to - 1;
}

// "2001:db8:12:3:ff:1:2:3": no group is 0, so nothing is shortened.
char* write_address6(char* to, std::uint64_t bits) {
  to = write_text(to, "2001:db8");
  for (unsigned group = 0; group < 6; ++group, bits >>= 10U) {
    *to++ = ':';
    to = std::to_chars(to, to + 4, 1 + (bits & 0x3ffU), 16).ptr;
  }
  return to;
}

char* write_inet(char* to, Random& random) {
  const std::uint64_t bits = random();
  if ((bits >> 62U) == 0) return write_address6(to, bits);
  to = write_bytes_of_address(to, bits, 4);
  if ((bits >> 62U) == 1) return to;
  *to++ = '/';
  return write_short(to, 8 + below(24, bits));
}

char* write_cidr(char* to, Random& random) {
  const std::uint64_t bits = random();
  if ((bits >> 62U) == 0) return write_text(write_address6(to, bits), "/128");
  to = write_bytes_of_address(to, bits, 3);
  return write_text(to, ".0/24");
}

char* write_macaddr(char* to, Random& random) {
  std::uint64_t bits = random();
  for (int at = 0; at < 6; ++at, bits >>= 8U) {
    to = write_hex(to, bits, 1);
    *to++ = ':';
  }
  return to - 1;
}

// Behind a single element there is no comma that would need quotes, but text may need them: two at least.
template <typename WriteElement>
char* write_array(char* to, std::uint64_t bits, WriteElement write_element) {
  const std::uint64_t count = bits % 4;
  if (count == 0) return write_text(to, "{}");
  to = write_text(to, "\"{");
  for (std::uint64_t at = 0; at <= count; ++at) {
    to = write_element(to);
    *to++ = ',';
  }
  return write_text(to - 1, "}\"");
}

char* write_int_array(char* to, Random& random) {
  return write_array(to, random(), [&random](char* at) { return write_integer<std::int32_t>(at, random); });
}
char* write_float_array(char* to, Random& random) {
  return write_array(to, random(), [&random](char* at) { return write_float8(at, random); });
}
char* write_text_array(char* to, Random& random) {
  std::uint64_t bits = random();
  return write_array(to, bits, [&bits](char* at) { return write_text(at, pick(kElements, bits >>= 3U)); });
}
char* write_time_array(char* to, Random& random) {
  return write_array(to, random(), [&random](char* at) {
    at = write_timestamptz(write_text(at, "\"\""), random);
    return write_text(at, "\"\"");
  });
}
char* write_level_array(char* to, Random& random) {
  std::uint64_t bits = random();
  return write_array(to, bits, [&bits](char* at) {
    bits >>= 3U;
    return write_text(at, (bits & 1U) != 0 ? "medium" : "\"\"high, or more\"\"");
  });
}

char* write_percent(char* to, Random& random) { return write_short(to, below(101, random())); }

constexpr std::array kTypedColumns{
    TypedColumn{"c_smallint", "smallint", write_integer<std::int16_t>},
    TypedColumn{"c_integer", "integer", write_integer<std::int32_t>},
    TypedColumn{"c_bigint", "bigint", write_integer<std::int64_t>},
    TypedColumn{"c_real", "real", write_float4},
    TypedColumn{"c_double", "double precision", write_float8},
    TypedColumn{"c_numeric", "numeric", write_numeric},
    TypedColumn{"c_numeric_10_2", "numeric(10,2)", write_money_like},
    TypedColumn{"c_boolean", "boolean", write_bool},
    TypedColumn{"c_text", "text", write_words},
    TypedColumn{"c_varchar", "varchar(12)", write_word},
    TypedColumn{"c_char", "char(8)", write_padded},
    TypedColumn{"c_name", "name", write_word},
    TypedColumn{"c_enum", "level", write_level},
    TypedColumn{"c_timestamptz", "timestamptz", write_timestamptz},
    TypedColumn{"c_timestamp", "timestamp", write_timestamp_micros},
    TypedColumn{"c_timestamp_3", "timestamp(3)", write_timestamp_millis},
    TypedColumn{"c_date", "date", write_day},
    TypedColumn{"c_time", "time", write_time},
    TypedColumn{"c_timetz", "timetz", write_timetz},
    TypedColumn{"c_interval", "interval", write_interval},
    TypedColumn{"c_uuid", "uuid", write_uuid},
    TypedColumn{"c_bytea", "bytea", write_bytea},
    TypedColumn{"c_json", "json", write_json},
    TypedColumn{"c_jsonb", "jsonb", write_jsonb},
    TypedColumn{"c_inet", "inet", write_inet},
    TypedColumn{"c_cidr", "cidr", write_cidr},
    TypedColumn{"c_macaddr", "macaddr", write_macaddr},
    TypedColumn{"c_oid", "oid", write_integer<std::uint32_t>},
    TypedColumn{"c_integers", "integer[]", write_int_array},
    TypedColumn{"c_doubles", "double precision[]", write_float_array},
    TypedColumn{"c_texts", "text[]", write_text_array},
    TypedColumn{"c_times", "timestamptz[]", write_time_array},
    TypedColumn{"c_enums", "level[]", write_level_array},
    TypedColumn{"c_domain", "percent", write_percent},
};
static_assert(kTypedColumns.size() <= 64);

char* write_row(char* to, const Moment& moment, Random& random) {
  to = moment.put(to);
  std::uint64_t nulls = random();
  for (int halving = 0; halving < 3; ++halving) nulls &= random();  // one bit in 16 is left
  for (const TypedColumn& column : kTypedColumns) {
    *to++ = ',';
    if ((nulls & 1U) == 0) to = column.write(to, random);
    nulls >>= 1U;
  }
  *to++ = '\n';
  return to;
}

}  // namespace

std::vector<GeneratedColumn> types_columns() {
  std::vector<GeneratedColumn> columns{{"time", "timestamptz"}};
  for (const TypedColumn& column : kTypedColumns) columns.push_back({column.name, column.type});
  return columns;
}

std::span<const OwnType> types_own_types() { return kOwnTypes; }

Status write_types(const GenerateOptions& options, RowWriter& rows) {
  Random random(options.seed);
  for (Moment moment(options); rows.wants_more(); moment.advance()) {
    for (std::uint32_t i = 0; i < options.series && rows.wants_more(); ++i)
      HYPERCOPY_TRY(rows.wrote(write_row(rows.end(), moment, random)));
  }
  return {};
}

}  // namespace hypercopy::generating
