#include "support/encoded_types.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <string_view>

#include "support/nasty_scalars.hpp"

namespace hypercopy::test {

namespace {

using Judge = EncodedType::Judge;
using Texts = std::vector<std::string>;

// SQL: bytes that mean something to CSV, arrays or people, up to 32 characters.
constexpr const char* kRandomText =
    R"(left(translate(md5(random()::text), '0123456789abcdef', E' ,"\\\n\r\té\'{}N€😀~\x01'), (random() * 32)::int))";
constexpr const char* kRandomJson =
    "json_build_object('a', {0}, 'b', (random() - 0.5) * 10 ^ (random() * 300), {0}, ARRAY[1, NULL], 'c', "
    "random() < 0.5)";
constexpr const char* kRandomInet =
    "CASE WHEN random() < 0.5 THEN set_masklen('0.0.0.0'::inet + (random() * 4294967295)::int8, (random() * "
    "32)::int) ELSE set_masklen(regexp_replace(translate(md5(random()::text), 'abcdef123', '000000000'), "
    "'(.{4})(?=.)', '\\1:', 'g')::inet, (random() * 128)::int) END";
constexpr const char* kRandomNumeric =
    "round(((random() - 0.5) * 10::float8 ^ (random() * 60 - 20))::numeric * (random() * 1e9)::int8 / 7, "
    "(random() * 60)::int)";
std::vector<EncodedType> number_types(int version) {
  Texts numerics = quoted({"NaN", "0", "0.000", "-1e-16383", "9e131071", "0.0001", "10000", "-0.00010000"});
  if (version >= 140000) {
    numerics.emplace_back("'Infinity'");
    numerics.emplace_back("'-Infinity'");
  }
  std::vector<EncodedType> all{
      {"int2",
       "int2",
       "int2send",
       Judge::encoder,
       int2_text,
       {},
       kNastyIntegers,
       "((random() * 65535 - 32768) / 10 ^ (random() * 4)::int)::int2",
       quoted({"-32768", "32767"})},
      {"int4",
       "int4",
       "int4send",
       Judge::encoder,
       int4_text,
       {},
       kNastyIntegers,
       "((random() * 4294967295 - 2147483648) / 10 ^ (random() * 9)::int)::int4",
       quoted({"-2147483648", "2147483647"})},
      {"int8",
       "int8",
       "int8send",
       Judge::encoder,
       int8_text,
       {},
       kNastyIntegers,
       "((random() - 0.5) * 1.8e19 / 10 ^ (random() * 18)::int)::int8",
       quoted({"-9223372036854775808", "9223372036854775807"})},
      {"oid",
       "oid",
       "oidsend",
       Judge::encoder,
       oid_text,
       {},
       kNastyIntegers,
       "(random() * 4294967295 / 10 ^ (random() * 9)::int)::int8::oid",
       quoted({"0", "4294967295"})},
      {"float4",
       "float4",
       "float4send",
       Judge::encoder,
       float4_text,
       {},
       kNastyFloats,
       "((random() - 0.5) * 10::float8 ^ (random() * 74 - 36))::float4",
       quoted({"NaN", "Infinity", "-Infinity", "-0", "1e-45", "1.1754942e-38", "-3.4028235e38"})},
      {"float8",
       "float8",
       "float8send",
       Judge::encoder,
       float8_text,
       {},
       kNastyFloats,
       "(random() - 0.5) * 10::float8 ^ (random() * 613 - 306)",
       quoted({"NaN", "Infinity", "-Infinity", "-0", "5e-324", "2.225073858507201e-308",
               "1.7976931348623157e308"})},
      {"numeric",
       "numeric",
       "numeric_send",
       Judge::encoder,
       numeric_text,
       {},
       kNastyNumerics,
       kRandomNumeric,
       numerics},
      {"numeric_10_2",
       "numeric(10,2)",
       "numeric_send",
       Judge::server,
       numeric_text,
       {},
       kNastyNumerics,
       "((random() - 0.5) * 1.9e8 / 10 ^ (random() * 9)::int)::numeric",
       quoted({"NaN", "-99999999.99"})},
      {"numeric_6",
       "numeric(6)",
       "numeric_send",
       Judge::server,
       numeric_text,
       {},
       kNastyNumerics,
       "((random() - 0.5) * 1.9e6)::numeric",
       quoted({"NaN", "999999"})},
      {"bool", "bool", "boolsend", Judge::encoder, bool_text, {}, kNastyBooleans, "random() < 0.5", {}},
      {"price",
       "price",
       "numeric_send",
       Judge::server,
       numeric_text,
       {},
       {"1.005", "-0.001", "9999.995", "NaN"},
       "(random() * 9999)::numeric",
       quoted({"0.00", "9999.99"})},
      {"smaller",
       "smaller",
       "int4send",
       Judge::server,
       int2_text,
       {},
       kNastyIntegers,
       "((random() - 0.5) * 1998)::int4",
       quoted({"-999", "999"})},
  };
  if (version >= 150000) {
    for (const char* const modifier : {"(5,-2)", "(3,5)"}) {
      all.push_back({fmt::format("numeric_{}", modifier[3] == '-' ? "5_minus_2" : "3_5"),
                     fmt::format("numeric{}", modifier),
                     "numeric_send",
                     Judge::server,
                     numeric_text,
                     {},
                     {"12345", "12350", "-12350", "9999949", "9999950", "0.000014999", "0.000015", "0.00999",
                      "0.009995"},
                     "(random() / 101)::numeric",
                     {}});
    }
  }
  return all;
}

std::vector<EncodedType> text_types() {
  const std::string json = fmt::format(kRandomJson, kRandomText);
  const std::string short_text = fmt::format("left({}, 3)", kRandomText);
  const Texts lengths{"",     " ",    "abc", "abcd", "abc ", "abc    ", "a b c",
                      "    ", "ab c", "äää", "äää ", "ääää", "😀😀😀"};
  const Texts jsons{"null",    " {} ", "1e400",    "1.50",        "\"\\u00e4\"", "{\"b\":1,\"a\":2,\"a\":3}",
                    "{",       "",     "{\"a\":}", "\"\\u0000\"", "\"\\ud800\"", "nan",
                    "1e200000"};
  return {
      {"text",
       "text",
       "textsend",
       Judge::encoder,
       any_text,
       {},
       {"", " ", "NULL", "\\N", "\\.", std::string(100000, 'y')},
       kRandomText,
       quoted({"", "\\.", "NULL", "\\N"})},
      {"varchar", "varchar", "varcharsend", Judge::encoder, any_text, {}, lengths, kRandomText, quoted({""})},
      {"varchar_3",
       "varchar(3)",
       "varcharsend",
       Judge::server,
       any_text,
       {},
       lengths,
       short_text,
       quoted({""})},
      {"bpchar",
       "bpchar",
       "bpcharsend",
       Judge::encoder,
       any_text,
       {},
       lengths,
       kRandomText,
       quoted({"", "a  "})},
      {"char_3",
       "char(3)",
       "bpcharsend",
       Judge::server,
       any_text,
       {},
       lengths,
       short_text,
       quoted({"", "a"})},
      {"code", "code", "varcharsend", Judge::server, any_text, {}, lengths, short_text, quoted({""})},
      {"name",
       "name",
       "namesend",
       Judge::encoder,
       name_text,
       {},
       {"", std::string(63, 'x'), std::string(64, 'x')},
       kRandomText,
       {"repeat('x', 63)", "repeat('é', 31)"}},
      {"enum",
       "mood",
       "enum_send",
       Judge::server,
       mood_text,
       {},
       {"OK", "ok ", "", "unknown", std::string(100, 'x')},
       "(enum_range(NULL::mood))[1 + (random() * 5)::int]",
       {}},
      {"json",
       "json",
       "json_send",
       Judge::server,
       json_text,
       {},
       jsons,
       json,
       quoted({" [1 , 2]\n", "null", "1e999"})},
      {"jsonb",
       "jsonb",
       "jsonb_send",
       Judge::server,
       json_text,
       {},
       jsons,
       json + "::jsonb",
       quoted({"null", "1.50", "1e1000"})},
      {"bytea",
       "bytea",
       "byteasend",
       Judge::encoder,
       bytea_text,
       {},
       kNastyBytes,
       "decode(left(md5(random()::text), 2 * (random() * 16)::int), 'hex')",
       {"decode(repeat('00', 5000), 'hex')", "''"}},
      {"uuid",
       "uuid",
       "uuid_send",
       Judge::encoder,
       uuid_text,
       {},
       kNastyUuids,
       "md5(random()::text)::uuid",
       {}},
      {"inet",
       "inet",
       "inet_send",
       Judge::encoder,
       inet_text,
       {},
       kNastyNetworks,
       kRandomInet,
       quoted({"::", "::1.2.3.4", "::ffff:1.2.3.4/0", "0.0.0.0/0", "255.255.255.255", "fe80::1/64"})},
      {"cidr",
       "cidr",
       "cidr_send",
       Judge::encoder,
       cidr_text,
       {},
       kNastyNetworks,
       fmt::format("network({})", kRandomInet),
       quoted({"::/0", "0.0.0.0/0", "::ffff:1.2.3.4/128"})},
      {"macaddr",
       "macaddr",
       "macaddr_send",
       Judge::encoder,
       macaddr_text,
       {},
       kNastyMacaddrs,
       "left(md5(random()::text), 12)::macaddr",
       {}},
  };
}

std::string sql_array(const std::string& value) {
  return fmt::format(
      "CASE (random() * 3)::int WHEN 0 THEN ARRAY[{0}] WHEN 1 THEN ARRAY[NULL, {0}] ELSE ARRAY[{0}, {0}, "
      "NULL, {0}] END",
      value);
}

EncodedType array_type(const EncodedType& element) {
  EncodedType array{.name = element.name + "_array",
                    .type = element.type + "[]",
                    .send = "array_send",
                    .judge = element.judge,
                    .spelling = array_of(element.spelling),
                    .nasty = kNastyArrays,
                    .random_value = sql_array(element.random_value)};
  if (element.utc_spelling) array.utc_spelling = array_of(element.utc_spelling);
  array.extremes.emplace_back("'{}'");
  if (!element.extremes.empty())
    array.extremes.push_back(fmt::format("ARRAY[{}]::{}[]", fmt::join(element.extremes, ","), element.type));
  return array;
}

// Arrays of domains have no encoder; type modifiers are tried on some element types only.
bool has_array(const EncodedType& type) {
  constexpr std::string_view kDomains[]{"price", "smaller", "code", "past"};
  constexpr std::string_view kModified[]{"numeric(10,2)", "varchar(3)", "char(3)", "timestamptz(3)"};
  const auto is_one_of = [&](const auto& names) {
    return std::ranges::find(names, type.type) != std::end(names);
  };
  return is_one_of(kModified) || (!is_one_of(kDomains) && type.type.find_first_of("( ") == std::string::npos);
}

}  // namespace

std::vector<std::string> quoted(const std::vector<std::string>& texts) {
  std::vector<std::string> literals;
  for (const std::string& text : texts) literals.push_back(fmt::format("'{}'", text));
  return literals;
}

void PrintTo(const EncodedType& type, std::ostream* out) { *out << type.type; }

std::vector<EncodedType> encoded_types(int server_version) {
  std::vector<EncodedType> all = number_types(server_version);
  for (const auto& group : {text_types(), datetime_types(server_version)})
    all.insert(all.end(), group.begin(), group.end());
  for (std::size_t at = 0, scalars = all.size(); at < scalars; ++at) {
    if (has_array(all[at])) all.push_back(array_type(EncodedType(all[at])));
  }
  all.push_back({.name = "prices",
                 .type = "prices",
                 .send = "array_send",
                 .judge = Judge::server,
                 .spelling = array_of(numeric_text),
                 .nasty = {"{1.005,9999.99}", "{9999.995}", "{NULL}", "{}", "{1,2,3}"},
                 .random_value = "ARRAY[(random() * 9999)::numeric, NULL]",
                 .extremes = {"'{}'"}});
  return all;
}

}  // namespace hypercopy::test
