// The encoders against the server's own input functions: what an encoder accepts the server accepts too, and
// its COPY BINARY makes the same value, as text and as bytes. Both ways are bulk loads of the same spellings.
// HYPERCOPY_TEST_VALUES: spellings per type and kind (default 3000).
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <random>

#include "hypercopy/field_encoder.hpp"
#include "support/nasty_scalars.hpp"
#include "support/scalar_values.hpp"
#include "support/server.hpp"

namespace hypercopy::test {
namespace {

using namespace std::string_view_literals;

struct TypeCase {
  const char* name;
  const char* type;  // as in CREATE TABLE
  const char* send;  // its send function
  Spelling spelling;
  std::vector<std::string> curated;
  bool any_bytes = false;  // its encoder takes all bytes, the server does not: mutations say nothing
};

void PrintTo(const TypeCase& test, std::ostream* out) { *out << test.name; }

const std::vector<TypeCase>& types() {
  static const std::vector<TypeCase> all{
      {"int2", "int2", "int2send", int2_text, kNastyIntegers},
      {"int4", "int4", "int4send", int4_text, kNastyIntegers},
      {"int8", "int8", "int8send", int8_text, kNastyIntegers},
      {"oid", "oid", "oidsend", oid_text, kNastyIntegers},
      {"float4", "float4", "float4send", float4_text, kNastyFloats},
      {"float8", "float8", "float8send", float8_text, kNastyFloats},
      {"numeric", "numeric", "numeric_send", numeric_text, kNastyNumerics},
      {"bool", "bool", "boolsend", bool_text, kNastyBooleans},
      {"text", "text", "textsend", any_text, {"", " ", "NULL", "\\N", "\\.", std::string(100000, 'y')}},
      {"varchar", "varchar", "varcharsend", any_text, {"", "a  "}},
      {"bpchar", "bpchar", "bpcharsend", any_text, {"", "a  "}},
      {"name", "name", "namesend", name_text, {"", std::string(63, 'x'), std::string(64, 'x')}},
      {"enum", "mood", "enum_send", mood_text, {}, true},
      {"json",
       "json",
       "json_send",
       json_text,
       {"null", " {} ", "1e400", "\"\\u00e4\"", "{\"a\":1,\"a\":2}"},
       true},
      {"jsonb",
       "jsonb",
       "jsonb_send",
       json_text,
       {"null", " {} ", "1.50", "\"\\u00e4\"", "{\"b\":1,\"a\":2,\"a\":3}"},
       true},
      {"bytea", "bytea", "byteasend", bytea_text, kNastyBytes},
      {"uuid", "uuid", "uuid_send", uuid_text, kNastyUuids},
      {"inet", "inet", "inet_send", inet_text, kNastyNetworks},
      {"cidr", "cidr", "cidr_send", cidr_text, kNastyNetworks},
      {"macaddr", "macaddr", "macaddr_send", macaddr_text, kNastyMacaddrs},
      {"int2_array", "int2[]", "array_send", array_of(int2_text), kNastyArrays},
      {"int4_array", "int4[]", "array_send", array_of(int4_text), kNastyArrays},
      {"int8_array", "int8[]", "array_send", array_of(int8_text), kNastyArrays},
      {"oid_array", "oid[]", "array_send", array_of(oid_text), kNastyArrays},
      {"float4_array", "float4[]", "array_send", array_of(float4_text), kNastyArrays},
      {"float8_array", "float8[]", "array_send", array_of(float8_text), kNastyArrays},
      {"numeric_array", "numeric[]", "array_send", array_of(numeric_text), kNastyArrays},
      {"bool_array", "bool[]", "array_send", array_of(bool_text), kNastyArrays},
      {"text_array", "text[]", "array_send", array_of(any_text), kNastyArrays},
      {"varchar_array", "varchar[]", "array_send", array_of(any_text), kNastyArrays},
      {"bpchar_array", "bpchar[]", "array_send", array_of(any_text), kNastyArrays},
      {"name_array", "name[]", "array_send", array_of(name_text), kNastyArrays},
      {"enum_array", "mood[]", "array_send", array_of(mood_text), {}, true},
      {"json_array", "json[]", "array_send", array_of(json_text), {}, true},
      {"jsonb_array", "jsonb[]", "array_send", array_of(json_text), {}, true},
      {"bytea_array", "bytea[]", "array_send", array_of(bytea_text), kNastyArrays},
      {"uuid_array", "uuid[]", "array_send", array_of(uuid_text), kNastyArrays},
      {"inet_array", "inet[]", "array_send", array_of(inet_text), kNastyArrays},
      {"cidr_array", "cidr[]", "array_send", array_of(cidr_text), kNastyArrays},
      {"macaddr_array", "macaddr[]", "array_send", array_of(macaddr_text), kNastyArrays},
  };
  return all;
}

std::size_t value_count() {
  const char* const count = std::getenv("HYPERCOPY_TEST_VALUES");
  return count == nullptr ? 3000 : std::stoul(count);
}

// The scalar or element type's OID, that of its base type, whether it is an enum, whether `type` is an array.
constexpr const char* kDescribe = R"(
  WITH base AS (SELECT b.* FROM pg_type t
                JOIN pg_type b ON b.oid = CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE t.oid END
                WHERE t.oid = '{}'::regtype),
       scalar AS (SELECT e.* FROM base
                  JOIN pg_type e ON e.oid = CASE base.typcategory WHEN 'A' THEN base.typelem ELSE base.oid END)
  SELECT scalar.oid, CASE scalar.typtype WHEN 'd' THEN scalar.typbasetype ELSE scalar.oid END,
         scalar.typtype = 'e', base.typcategory = 'A'
  FROM base, scalar)";

// One type as the catalog describes it.
class Encoder {
 public:
  Encoder(const Server& server, const std::string& type) {
    const Rows row = server.execute(fmt::format(kDescribe, type));
    const auto& fields = row.at(0);
    scalar_.oid = static_cast<std::uint32_t>(std::stoul(*fields[0]));
    scalar_.is_enum = fields[2] == "t";
    scalar_.encode = scalar_.is_enum
                         ? enum_encoder()
                         : find_scalar_encoder(static_cast<std::uint32_t>(std::stoul(*fields[1])));
    if (scalar_.encode == nullptr) throw std::runtime_error("no encoder for " + type);
    if (fields[3] == "t")
      array_ = {.element = &scalar_, .settings = {.array_nulls = true}, .encode = array_encoder()};
  }
  Encoder(const Encoder&) = delete;
  Encoder& operator=(const Encoder&) = delete;

  // The field, length word first; nothing: given up.
  [[nodiscard]] std::optional<std::string> encode(std::string_view text) const {
    const FieldType& type = array_.element == nullptr ? scalar_ : array_;
    BinaryBuffer out;
    if (!type.encode(text, type, out)) return std::nullopt;
    return std::string(out.view());
  }

 private:
  FieldType scalar_;
  FieldType array_;
};

std::string hex(std::string_view bytes) {
  std::string text;
  for (const char byte : bytes)
    fmt::format_to(std::back_inserter(text), "{:02x}", static_cast<unsigned char>(byte));
  return text;
}

std::string in_text_format(const std::string& value) {
  std::string text;
  for (const char byte : value) {
    switch (byte) {
      case '\\':
        text += "\\\\";
        break;
      case '\n':
        text += "\\n";
        break;
      case '\r':
        text += "\\r";
        break;
      case '\t':
        text += "\\t";
        break;
      default:
        text += byte;
    }
  }
  return text;
}

// The same rows (id, v) for COPY in both formats.
struct CopyInput {
  CopyInput() { binary.put_bytes("PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0"sv); }

  void add(std::uint32_t id, const std::string& value, std::string_view field) {
    text += fmt::format("{}\t{}\n", id, in_text_format(value));
    binary.put(std::uint16_t{2});
    binary.put_field(id);
    binary.put_bytes(field);
  }
  [[nodiscard]] std::string whole_binary() const { return std::string(binary.view()) + "\xff\xff"; }

  std::string text;
  BinaryBuffer binary;
};

class EncodeScalarTest : public ServerTest {
 protected:
  void SetUp() override {
    ServerTest::SetUp();
    if (IsSkipped()) return;
    server().execute(
        "SET client_encoding = 'UTF8'; CREATE TYPE mood AS ENUM ('sad', 'ok', 'very happy', 'NULL', "
        "'it''s \"fine\"', E'\\u00fc\\\\b')");
  }

  void create_tables(const std::string& type) const {
    server().execute(
        fmt::format("DROP TABLE IF EXISTS by_text, by_binary; CREATE TABLE by_text (id int4, v {0}); CREATE "
                    "TABLE by_binary (id "
                    "int4, v {0})",
                    type));
  }
  [[nodiscard]] CopyOutcome copy_text(const CopyInput& input) const {
    return server().copy("COPY by_text FROM STDIN", input.text);
  }
  [[nodiscard]] CopyOutcome copy_binary(const CopyInput& input) const {
    return server().copy("COPY by_binary FROM STDIN (FORMAT binary)", input.whole_binary());
  }
  // The first few values that differ, in words. As the output functions write them: a cast of bpchar to text
  // would drop blanks.
  [[nodiscard]] std::string differences(const std::string& send) const {
    std::string found;
    for (const auto& row :
         server().execute(fmt::format("SELECT id, left(format('%s', t.v), 500), left(format('%s', b.v), 500) "
                                      "FROM by_text t FULL JOIN by_binary b "
                                      "USING (id) "
                                      "WHERE format('%s', t.v) IS DISTINCT FROM format('%s', b.v) OR "
                                      "{0}(t.v) IS DISTINCT FROM {0}(b.v) LIMIT 5",
                                      send)))
      found += fmt::format("id {}: text {} binary {}\n", row[0].value_or("?"), row[1].value_or("NULL"),
                           row[2].value_or("NULL"));
    return found;
  }
};

class EncodeScalar : public EncodeScalarTest, public testing::WithParamInterface<TypeCase> {};

TEST_P(EncodeScalar, ReadsWhatTheServerReads) {
  const TypeCase& test = GetParam();
  const std::uint64_t seed = std::random_device{}();
  SCOPED_TRACE(fmt::format("seed {}", seed));
  Random random(seed);
  const Encoder encoder(server(), test.type);

  CopyInput input;
  std::uint32_t rows = 0;
  const auto add = [&](const std::string& value) {
    const auto field = encoder.encode(value);
    if (field) input.add(++rows, value, *field);
    return field.has_value();
  };
  for (std::size_t count = value_count(); count > 0; --count) {
    const std::string value = test.spelling(random);
    ASSERT_TRUE(add(value)) << "a common spelling is given up: " << value;
    if (!test.any_bytes) add(mutated(value, random));
  }
  for (const std::string& value : test.curated) add(value);

  create_tables(test.type);
  const CopyOutcome by_text = copy_text(input);
  ASSERT_EQ(by_text.rows, rows) << "accepted, but refused by the server as text: " << by_text.message;
  const CopyOutcome by_binary = copy_binary(input);
  ASSERT_EQ(by_binary.rows, rows) << by_binary.message;
  EXPECT_EQ(differences(test.send), "");

  // Whatever the server writes is encoded, and into the very bytes that it sends.
  for (const char* digits : {"1", "3"}) {
    server().execute(fmt::format("SET extra_float_digits = {}", digits));
    const Rows written =
        server().execute(fmt::format("SELECT format('%s', v), encode({}(v), 'hex') FROM by_text", test.send));
    ASSERT_EQ(written.size(), rows);
    for (const auto& row : written) {
      const auto field = encoder.encode(*row[0]);
      ASSERT_TRUE(field) << "the server's own spelling is given up: " << *row[0];
      ASSERT_EQ(hex(field->substr(4)), *row[1]) << *row[0];
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Types, EncodeScalar, testing::ValuesIn(types()),
                         [](const auto& param) { return std::string(param.param.name); });

// Values one by one where refusals count: type modifiers, domains, and what only the server can judge.
struct RefusalCase {
  const char* name;
  const char* type;
  const char* send;
  std::vector<std::string> values;
  int from_version = 0;
};

void PrintTo(const RefusalCase& test, std::ostream* out) { *out << test.name; }

const std::vector<std::string> kRounded{
    "0",           "0.005",        "-0.005",       "0.004999",      "1.005",
    "99999999.99", "99999999.994", "99999999.995", "-99999999.995", "100000000",
    "1e7",         "1e8",          "1e-3",         "NaN",           "12345",
    "12350",       "-12350",       "12349.99",     "9999949",       "9999950",
    "0.00",        "5e9",          "0.000014999",  "0.000015",      "0.00999",
    "0.009995",    "0.01"};
const std::vector<std::string> kLengths{"",
                                        " ",
                                        "abc",
                                        "abcd",
                                        "abc ",
                                        "abc    ",
                                        "ab  ",
                                        "a b c",
                                        "    ",
                                        "ab c",
                                        "\xc3\xa4\xc3\xa4\xc3\xa4",
                                        "\xc3\xa4\xc3\xa4\xc3\xa4 ",
                                        "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4",
                                        "\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80"};

class EncodeScalarRefused : public EncodeScalarTest, public testing::WithParamInterface<RefusalCase> {};

TEST_P(EncodeScalarRefused, HasTheSameOutcomeAsText) {
  const RefusalCase& test = GetParam();
  if (server().version() < test.from_version) GTEST_SKIP() << "the server is older";
  server().execute(
      "CREATE DOMAIN price AS numeric(6,2) CHECK (VALUE >= 0);"
      "CREATE DOMAIN prices AS numeric(6,2)[] CHECK (cardinality(VALUE) < 3);"
      "CREATE DOMAIN code AS varchar(3) NOT NULL CHECK (VALUE <> 'abc')");
  const Encoder encoder(server(), test.type);
  create_tables(test.type);
  std::uint32_t id = 0;
  for (const std::string& value : test.values) {
    SCOPED_TRACE(value);
    const auto field = encoder.encode(value);
    ASSERT_TRUE(field);
    CopyInput input;
    input.add(++id, value, *field);
    const CopyOutcome by_text = copy_text(input);
    const CopyOutcome by_binary = copy_binary(input);
    EXPECT_EQ(by_binary.rows, by_text.rows) << by_text.message << by_binary.message;
    EXPECT_EQ(by_binary.sqlstate, by_text.sqlstate) << by_text.message << by_binary.message;
  }
  EXPECT_EQ(differences(test.send), "");
  EXPECT_GT(count("by_text"), 0U);
}

INSTANTIATE_TEST_SUITE_P(
    Types, EncodeScalarRefused,
    testing::ValuesIn(std::vector<RefusalCase>{
        {"numeric_10_2", "numeric(10,2)", "numeric_send", kRounded},
        {"numeric_6", "numeric(6)", "numeric_send", kRounded},
        {"numeric_5_minus_2", "numeric(5,-2)", "numeric_send", kRounded, 150000},
        {"numeric_3_5", "numeric(3,5)", "numeric_send", kRounded, 150000},
        {"price", "price", "numeric_send", {"1.005", "-1", "-0.001", "9999.99", "9999.995", "NaN"}},
        {"varchar_3", "varchar(3)", "varcharsend", kLengths},
        {"char_3", "char(3)", "bpcharsend", kLengths},
        {"code", "code", "varcharsend", kLengths},
        {"numeric_array",
         "numeric(4,2)[]",
         "array_send",
         {"{1.005,2}", "{99.994}", "{1,99.995}", "{NULL,NaN}"}},
        {"varchar_array", "varchar(3)[]", "array_send", {"{abc,a}", "{abcd}", "{\"abc  \"}", "{NULL}"}},
        {"char_array", "char(3)[]", "array_send", {"{abc,a}", "{abcd}", "{\"abc  \"}", "{NULL}"}},
        {"price_array", "price[]", "array_send", {"{1.005,9999.99}", "{-1}", "{9999.995}", "{NULL}"}},
        {"prices", "prices", "array_send", {"{1.005,9999.99}", "{9999.995}", "{NULL}", "{}", "{1,2,3}"}},
        {"mood", "mood", "enum_send", {"ok", "OK", "ok ", "", "unknown", std::string(100, 'x')}},
        {"json", "json", "json_send", {"{}", "{", "", "{\"a\":}", "\"\\u0000\"", "\"\\ud800\"", "nan"}},
        {"jsonb",
         "jsonb",
         "jsonb_send",
         {"{}", "{", "", "{\"a\":}", "\"\\u0000\"", "\"\\ud800\"", "1e200000"}},
        {"text", "text", "textsend", {"fine", "\xff", "\xc3", "\xed\xa0\x80", "\xf4\x90\x80\x80"}},
        {"text_array", "text[]", "array_send", {"{fine}", "{\"\xff\"}", "{\xc3}"}},
    }),
    [](const auto& param) { return std::string(param.param.name); });

// Text is converted from client_encoding by the server, in both formats.
TEST_F(EncodeScalarTest, ClientEncodingIsTheServersMatter) {
  if (server().value("SHOW server_encoding") != "UTF8") GTEST_SKIP() << "the server's encoding is not UTF8";
  server().execute("SET client_encoding = 'LATIN1'");
  const std::vector<std::pair<std::string, std::string>> values{
      {"text", "\xe4\xf6"}, {"varchar(3)", "\xe4\xf6\xfc"}, {"char(3)", "\xe4"},
      {"name", "\xe4"},     {"json", "\"\xe4\""},           {"jsonb", "\"\xe4\""},
      {"mood", "\xfc\\b"},  {"text[]", "{\xe4,\"\xa0\"}"},  {"bytea", "abc"}};
  for (const auto& [type, value] : values) {
    SCOPED_TRACE(type);
    const auto field = Encoder(server(), type).encode(value);
    ASSERT_TRUE(field);
    create_tables(type);
    CopyInput input;
    input.add(1, value, *field);
    ASSERT_EQ(copy_text(input).rows, 1U);
    ASSERT_EQ(copy_binary(input).rows, 1U);
    EXPECT_EQ(server().value("SELECT t.v::text = b.v::text FROM by_text t, by_binary b"), "t");
  }
}

// namein cuts after conversion, namerecv refuses: the batch then goes as CSV.
TEST_F(EncodeScalarTest, NameThatGrowsIsRefusedNotCut) {
  server().execute("SET client_encoding = 'LATIN1'");
  const std::string value(63, '\xe4');
  const auto field = Encoder(server(), "name").encode(value);
  ASSERT_TRUE(field);
  create_tables("name");
  CopyInput input;
  input.add(1, value, *field);
  EXPECT_EQ(copy_binary(input).sqlstate, "42622");
}

}  // namespace
}  // namespace hypercopy::test
