// Spelling by spelling: the exact field of COPY BINARY, or given up. What the server itself makes of the same
// spellings is compared in integration_test_encoders.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <ostream>
#include <string>
#include <vector>

#include "hypercopy/field_encoder.hpp"

namespace hypercopy {
namespace {

using namespace type_oid;  // NOLINT(google-build-using-namespace): the table below names many of them

constexpr const char* kGivenUp = "given_up";

std::string hex_of(std::string_view bytes) {
  std::string hex;
  for (const char byte : bytes) hex += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  return hex;
}

// Length word and value as hexadecimal digits, or kGivenUp.
std::string encoded(std::string_view text, const FieldType& type) {
  BinaryBuffer out;
  out.put_bytes("before");
  if (!type.encode(text, type, out)) return kGivenUp;
  return hex_of(out.view().substr(6));
}

// Hexadecimal digits are written in groups of fields.
std::string packed(std::string hex) {
  std::erase(hex, ' ');
  return hex;
}

FieldType scalar(std::uint32_t oid) { return {.oid = oid, .encode = find_scalar_encoder(oid)}; }

struct ScalarCase {
  std::uint32_t oid;
  std::string text;
  std::string expected;
};

void PrintTo(const ScalarCase& test, std::ostream* out) {
  *out << "type " << test.oid << " '" << test.text << "'";
}

class EncodeScalar : public testing::TestWithParam<ScalarCase> {};

TEST_P(EncodeScalar, GivesTheFieldOrGivesUp) {
  const ScalarCase& test = GetParam();
  ASSERT_NE(find_scalar_encoder(test.oid), nullptr);
  EXPECT_EQ(encoded(test.text, scalar(test.oid)), packed(test.expected));
}

const std::vector<ScalarCase> kIntegers{
    {kInt2, "0", "000000020000"},
    {kInt2, "-0", "000000020000"},
    {kInt2, "32767", "000000027fff"},
    {kInt2, "-32768", "000000028000"},
    {kInt2, "32768", kGivenUp},
    {kInt2, "-32769", kGivenUp},
    {kInt4, "0000000000000000000000007", "0000000400000007"},
    {kInt4, "2147483647", "000000047fffffff"},
    {kInt4, "-2147483648", "0000000480000000"},
    {kInt4, "2147483648", kGivenUp},
    {kInt4, "-2147483649", kGivenUp},
    {kInt4, "", kGivenUp},
    {kInt4, "-", kGivenUp},
    {kInt4, "--1", kGivenUp},
    {kInt4, "+1", kGivenUp},
    {kInt4, " 1", kGivenUp},
    {kInt4, "1 ", kGivenUp},
    {kInt4, "1_000", kGivenUp},
    {kInt4, "0x10", kGivenUp},
    {kInt4, "1.0", kGivenUp},
    {kInt4, std::string("1\0", 2), kGivenUp},
    {kInt8, "999999999999999999", "000000080de0b6b3a763ffff"},
    {kInt8, "9223372036854775807", "000000087fffffffffffffff"},
    {kInt8, "-9223372036854775808", "000000088000000000000000"},
    {kInt8, "9223372036854775808", kGivenUp},
    {kInt8, "-9223372036854775809", kGivenUp},
    {kInt8, "18446744073709551617", kGivenUp},
    {kInt8, "--92233720368547758", kGivenUp},
    {kOid, "4294967295", "00000004ffffffff"},
    {kOid, "0", "0000000400000000"},
    {kOid, "4294967296", kGivenUp},
    {kOid, "-1", kGivenUp},
    {kOid, "-0", kGivenUp},
    {kOid, "010", kGivenUp},
};
INSTANTIATE_TEST_SUITE_P(Integers, EncodeScalar, testing::ValuesIn(kIntegers));

const std::vector<ScalarCase> kFloats{
    {kFloat8, "0", "000000080000000000000000"},
    {kFloat8, "-0", "000000088000000000000000"},
    {kFloat8, "1", "000000083ff0000000000000"},
    {kFloat8, ".5", "000000083fe0000000000000"},
    {kFloat8, "5.", "000000084014000000000000"},
    {kFloat8, "1e+20", "000000084415af1d78b58c40"},
    {kFloat8, "1E5", "0000000840f86a0000000000"},
    {kFloat8, "0.1", "000000083fb999999999999a"},
    {kFloat8, "1.7976931348623157e308", "000000087fefffffffffffff"},
    {kFloat8, "4.9e-324", "000000080000000000000001"},
    {kFloat8, "0e-400", "000000080000000000000000"},
    // Half between two doubles: to the even one; one digit more: up.
    {kFloat8, "9007199254740993", "000000084340000000000000"},
    {kFloat8, "9007199254740993.00000000000000000000000000000000000000001", "000000084340000000000001"},
    {kFloat8, "NaN", "000000087ff8000000000000"},
    {kFloat8, "nan", "000000087ff8000000000000"},
    {kFloat8, "Infinity", "000000087ff0000000000000"},
    {kFloat8, "-Infinity", "00000008fff0000000000000"},
    {kFloat8, "inf", "000000087ff0000000000000"},
    {kFloat8, "-inf", "00000008fff0000000000000"},
    {kFloat8, "-nan", kGivenUp},
    {kFloat8, "nan(1)", kGivenUp},
    {kFloat8, "infinit", kGivenUp},
    {kFloat8, "1e400", kGivenUp},
    {kFloat8, "-1e400", kGivenUp},
    {kFloat8, "1e-400", kGivenUp},
    {kFloat8, "-1e-400", kGivenUp},
    {kFloat8, "2e-324", kGivenUp},
    {kFloat8, "0x10", kGivenUp},
    {kFloat8, "0x1p3", kGivenUp},
    {kFloat8, "+1", kGivenUp},
    {kFloat8, "1,5", kGivenUp},
    {kFloat8, "1e", kGivenUp},
    {kFloat8, "1e+", kGivenUp},
    {kFloat8, ".", kGivenUp},
    {kFloat8, "-.", kGivenUp},
    {kFloat8, "-", kGivenUp},
    {kFloat8, "", kGivenUp},
    {kFloat8, " 1", kGivenUp},
    {kFloat8, "1 ", kGivenUp},
    {kFloat8, "1_0", kGivenUp},
    {kFloat4, "0.1", "000000043dcccccd"},
    {kFloat4, "-0", "0000000480000000"},
    {kFloat4, "3.4028235e+38", "000000047f7fffff"},
    {kFloat4, "3.4028236e+38", kGivenUp},
    {kFloat4, "1e-45", "0000000400000001"},
    {kFloat4, "7e-46", kGivenUp},
    {kFloat4, "NaN", "000000047fc00000"},
    {kFloat4, "-Infinity", "00000004ff800000"},
    // Just above half between two floats, but half when first rounded to double.
    {kFloat4, "1.00000005960464477539062500001", "000000043f800001"},
    {kFloat4, "1.000000059604644775390625", "000000043f800000"},
};
INSTANTIATE_TEST_SUITE_P(Floats, EncodeScalar, testing::ValuesIn(kFloats));

// Header: digits, weight, sign, scale; each 2 bytes.
const std::vector<ScalarCase> kNumerics{
    {kNumeric, "0", "00000008 0000 0000 0000 0000"},
    {kNumeric, "-0.0", "00000008 0000 0000 0000 0001"},
    {kNumeric, "0.00", "00000008 0000 0000 0000 0002"},
    {kNumeric, "1", "0000000a 0001 0000 0000 0000 0001"},
    {kNumeric, "000.100", "0000000a 0001 ffff 0000 0003 03e8"},
    {kNumeric, ".5", "0000000a 0001 ffff 0000 0001 1388"},
    {kNumeric, "5.", "0000000a 0001 0000 0000 0000 0005"},
    {kNumeric, "-12345.678", "0000000e 0003 0001 4000 0003 0001 0929 1a7c"},
    {kNumeric, "10000", "0000000a 0001 0001 0000 0000 0001"},
    {kNumeric, "100000000", "0000000a 0001 0002 0000 0000 0001"},
    {kNumeric, "1000000010000", "0000000e 0003 0003 0000 0000 0001 0000 0001"},
    {kNumeric, "0.00001", "0000000a 0001 fffe 0000 0005 03e8"},
    {kNumeric, "1e5", "0000000a 0001 0001 0000 0000 000a"},
    {kNumeric, "1.5E+3", "0000000a 0001 0000 0000 0000 05dc"},
    {kNumeric, "15e-1", "0000000c 0002 0000 0000 0001 0001 1388"},
    {kNumeric, "0e5", "00000008 0000 0000 0000 0000"},
    {kNumeric, "0.00e1", "00000008 0000 0000 0000 0001"},
    {kNumeric, "NaN", "00000008 0000 0000 c000 0000"},
    {kNumeric, "nan", "00000008 0000 0000 c000 0000"},
    {kNumeric, "1" + std::string(131071, '0'), "0000000a 0001 7fff 0000 0000 03e8"},
    {kNumeric, "1" + std::string(131072, '0'), kGivenUp},
    {kNumeric, "0." + std::string(16382, '0') + "1", "0000000a 0001 f000 0000 3fff 000a"},
    {kNumeric, "0." + std::string(16383, '0') + "1", kGivenUp},
    {kNumeric, std::string(200000, '0'), kGivenUp},
    {kNumeric, "1e9999999999", kGivenUp},
    {kNumeric, "1e", kGivenUp},
    {kNumeric, "1e+", kGivenUp},
    {kNumeric, "1e+-5", kGivenUp},
    {kNumeric, "1e5.0", kGivenUp},
    {kNumeric, "Infinity", kGivenUp},
    {kNumeric, "-NaN", kGivenUp},
    {kNumeric, "", kGivenUp},
    {kNumeric, "-", kGivenUp},
    {kNumeric, ".", kGivenUp},
    {kNumeric, "..5", kGivenUp},
    {kNumeric, "1.2.3", kGivenUp},
    {kNumeric, "+1", kGivenUp},
    {kNumeric, " 1", kGivenUp},
    {kNumeric, "1_000", kGivenUp},
    {kNumeric, "0x10", kGivenUp},
};
INSTANTIATE_TEST_SUITE_P(Numerics, EncodeScalar, testing::ValuesIn(kNumerics));

// numeric has infinities from 14 on, and COPY TO writes them.
TEST(EncodeNumericInfinity, IsGivenUpWhereTheServerHasNone) {
  FieldType type = scalar(kNumeric);
  type.settings.server_version = 130021;
  EXPECT_EQ(encoded("Infinity", type), kGivenUp);
  type.settings.server_version = 140000;
  EXPECT_EQ(encoded("Infinity", type), packed("00000008 0000 0000 d000 0020"));
  EXPECT_EQ(encoded("-Infinity", type), packed("00000008 0000 0000 f000 0020"));
  EXPECT_EQ(encoded("-inf", type), packed("00000008 0000 0000 f000 0020"));
  EXPECT_EQ(encoded("infinit", type), kGivenUp);
}

const std::vector<ScalarCase> kBooleans{
    {kBool, "t", "0000000101"},   {kBool, "True", "0000000101"}, {kBool, "tru", "0000000101"},
    {kBool, "Y", "0000000101"},   {kBool, "yes", "0000000101"},  {kBool, "on", "0000000101"},
    {kBool, "1", "0000000101"},   {kBool, "f", "0000000100"},    {kBool, "FALSE", "0000000100"},
    {kBool, "n", "0000000100"},   {kBool, "no", "0000000100"},   {kBool, "of", "0000000100"},
    {kBool, "OFF", "0000000100"}, {kBool, "0", "0000000100"},    {kBool, "o", kGivenUp},
    {kBool, "", kGivenUp},        {kBool, "truee", kGivenUp},    {kBool, "10", kGivenUp},
    {kBool, " t", kGivenUp},      {kBool, "onn", kGivenUp},
};
INSTANTIATE_TEST_SUITE_P(Booleans, EncodeScalar, testing::ValuesIn(kBooleans));

const std::vector<ScalarCase> kTexts{
    {kText, "", "00000000"},
    {kText, "a\xc3\xa4 ", "0000000461c3a420"},
    {kText, std::string("a\0b", 3), kGivenUp},
    {kVarchar, "ab", "000000026162"},
    {kBpchar, "ab ", "00000003616220"},
    {kName, std::string(63, 'x'), "0000003f" + hex_of(std::string(63, 'x'))},
    {kName, std::string(64, 'x'), kGivenUp},
    {kJson, "{}", "000000027b7d"},
    {kJsonb, "{}", "00000003017b7d"},
    {kJsonb, std::string("\"\0\"", 3), kGivenUp},
    {kBytea, "\\x", "00000000"},
    {kBytea, "\\x00fFa0", "0000000300ffa0"},
    {kBytea, "plain", "00000005706c61696e"},
    {kBytea, "", "00000000"},
    {kBytea, "\\x0", kGivenUp},
    {kBytea, "\\x0g", kGivenUp},
    {kBytea, "\\xg0", kGivenUp},
    {kBytea, "\\x00 00", kGivenUp},
    {kBytea, "\\X00", kGivenUp},
    {kBytea, "\\001", kGivenUp},
    {kBytea, "a\\\\", kGivenUp},
    {kBytea, "\xc3\xa4", kGivenUp},
    {kBytea, std::string("a\0", 2), kGivenUp},
    {kUuid, "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "00000010a0eebc999c0b4ef8bb6d6bb9bd380a11"},
    {kUuid, "A0EEBC999C0B4EF8BB6D6BB9BD380A11", "00000010a0eebc999c0b4ef8bb6d6bb9bd380a11"},
    {kUuid, "{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}", kGivenUp},
    {kUuid, "a0ee-bc99-9c0b-4ef8-bb6d-6bb9-bd38-0a11", kGivenUp},
    {kUuid, "a0eebc99-9c0b-4ef8-bb6d6-bb9bd380a11", kGivenUp},
    {kUuid, "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1g", kGivenUp},
    {kUuid, "", kGivenUp},
};
INSTANTIATE_TEST_SUITE_P(Texts, EncodeScalar, testing::ValuesIn(kTexts));

const std::vector<ScalarCase> kNetworks{
    {kInet, "192.168.0.1", "00000008 02200004 c0a80001"},
    {kInet, "192.168.0.1/24", "00000008 02180004 c0a80001"},
    {kInet, "0.0.0.0/0", "00000008 02000004 00000000"},
    {kInet, "::", "00000014 03800010 00000000000000000000000000000000"},
    {kInet, "2001:DB8::1/64", "00000014 03400010 20010db8000000000000000000000001"},
    {kInet, "::ffff:1.2.3.4", "00000014 03800010 00000000000000000000ffff01020304"},
    {kInet, "1.2.3.4/33", kGivenUp},
    {kInet, "1.2.3.4/024", kGivenUp},
    {kInet, "1.2.3.4/", kGivenUp},
    {kInet, "1.2.3.4/-1", kGivenUp},
    {kInet, "1.2.3.4/8/8", kGivenUp},
    {kInet, "::/129", kGivenUp},
    {kInet, "1.2.3", kGivenUp},
    {kInet, "01.2.3.4", kGivenUp},
    {kInet, "1.2.3.256", kGivenUp},
    {kInet, " 1.2.3.4", kGivenUp},
    {kInet, ":::", kGivenUp},
    {kInet, "1::2::3", kGivenUp},
    {kInet, "fe80::1%eth0", kGivenUp},
    {kInet, "", kGivenUp},
    {kInet, std::string("1.2.3.4\0", 8), kGivenUp},
    {kInet, std::string(200, '1'), kGivenUp},
    {kCidr, "10.0.0.0/8", "00000008 02080104 0a000000"},
    {kCidr, "10.1.2.3", "00000008 02200104 0a010203"},
    {kCidr, "224.0.0.0", "00000008 02200104 e0000000"},
    {kCidr, "2001:db8::/32", "00000014 03200110 20010db8000000000000000000000000"},
    {kCidr, "10.0.0.1/8", kGivenUp},
    {kCidr, "10/8", kGivenUp},
    {kCidr, "::1/127", kGivenUp},
    {kMacaddr, "08:00:2b:01:02:03", "0000000608002b010203"},
    {kMacaddr, "08-00-2B-01-02-03", "0000000608002b010203"},
    {kMacaddr, "08:00-2b:01:02:03", kGivenUp},
    {kMacaddr, "08002b:010203", kGivenUp},
    {kMacaddr, "8:0:2b:1:2:3", kGivenUp},
    {kMacaddr, "08:00:2b:01:02:0g", kGivenUp},
};
INSTANTIATE_TEST_SUITE_P(Networks, EncodeScalar, testing::ValuesIn(kNetworks));

struct ArrayCase {
  const char* name;
  std::uint32_t element;
  std::string text;
  std::string expected;
};

class EncodeArray : public testing::TestWithParam<ArrayCase> {};

TEST_P(EncodeArray, GivesTheFieldOrGivesUp) {
  const ArrayCase& test = GetParam();
  const FieldType element = scalar(test.element);
  const FieldType array{.element = &element, .settings = {.array_nulls = true}, .encode = array_encoder()};
  EXPECT_EQ(encoded(test.text, array), packed(test.expected));
}

// Header: dimensions, NULLs, element type; then elements, lower bound; each 4 bytes.
const std::string kTextHeader = "00000001 00000000 00000019 ";
const std::vector<ArrayCase> kArrays{
    {"empty", kInt4, "{}", "0000000c 00000000 00000000 00000017"},
    {"one", kInt2, "{7}", "0000001a 00000001 00000000 00000015 00000001 00000001 00000002 0007"},
    {"null_in_any_case", kInt2, "{7,nUlL}",
     "0000001e 00000001 00000001 00000015 00000002 00000001 00000002 0007 ffffffff"},
    {"quoted_number", kInt2, "{\"7\"}",
     "0000001a 00000001 00000000 00000015 00000001 00000001 00000002 0007"},
    {"quoted_null", kText, "{\"NULL\"}", "0000001c" + kTextHeader + "00000001 00000001 00000004 4e554c4c"},
    {"quoted_empty", kText, "{\"\"}", "00000018" + kTextHeader + "00000001 00000001 00000000"},
    {"escapes", kText, R"({"a\"\\\b,}"})",
     "0000001e" + kTextHeader + "00000001 00000001 00000006 61225c622c7d"},
    {"spaces_around", kText, "{ a , \"b\" }",
     "0000001e" + kTextHeader + "00000002 00000001 00000001 61 00000001 62"},
    {"bytea", kBytea, R"({"\\x00ff"})",
     "0000001a 00000001 00000000 00000011 00000001 00000001 00000002 00ff"},
    {"space_inside", kText, "{a b}", kGivenUp},
    {"tab", kText, "{\ta}", kGivenUp},
    {"nested", kInt4, "{{1}}", kGivenUp},
    {"bounds", kInt4, "[0:0]={1}", kGivenUp},
    {"no_braces", kInt4, "1,2", kGivenUp},
    {"not_closed", kInt4, "{1", kGivenUp},
    {"only_opened", kInt4, "{", kGivenUp},
    {"behind_the_end", kInt4, "{1}x", kGivenUp},
    {"blank_behind_the_end", kInt4, "{1} ", kGivenUp},
    {"element_missing", kInt4, "{1,}", kGivenUp},
    {"first_element_missing", kText, "{,a}", kGivenUp},
    {"blank_only", kInt4, "{ }", kGivenUp},
    {"quote_in_the_middle", kText, "{a\"b\"}", kGivenUp},
    {"text_behind_quotes", kText, "{\"a\"b}", kGivenUp},
    {"quote_not_closed", kText, "{\"a}", kGivenUp},
    {"escape_at_the_end", kText, "{\"a\\", kGivenUp},
    {"escape_not_closed", kText, "{\"a\\b", kGivenUp},
    {"unquoted_escape", kText, "{a\\b}", kGivenUp},
    {"bad_element", kInt4, "{1,x}", kGivenUp},
    {"empty_text", kText, "", kGivenUp},
};
INSTANTIATE_TEST_SUITE_P(Arrays, EncodeArray, testing::ValuesIn(kArrays),
                         [](const auto& param) { return std::string(param.param.name); });

TEST(EncodeArrayNull, IsGivenUpWhereItMayBeAString) {
  const FieldType element = scalar(kText);
  const FieldType array{.element = &element, .encode = array_encoder()};
  EXPECT_EQ(encoded("{NULL}", array), kGivenUp);
  EXPECT_NE(encoded("{\"NULL\"}", array), kGivenUp);
}

TEST(EncodeArrayOfEnums, CarriesTheElementsOwnOid) {
  const FieldType element{.oid = 0x12345678, .is_enum = true, .encode = enum_encoder()};
  const FieldType array{.element = &element, .encode = array_encoder()};
  EXPECT_EQ(encoded("{ok}", array),
            packed("0000001a 00000001 00000000 12345678 00000001 00000001 00000002 6f6b"));
}

TEST(FindScalarEncoder, KnowsNoOtherTypes) {
  EXPECT_EQ(find_scalar_encoder(0), nullptr);
  EXPECT_EQ(find_scalar_encoder(600), nullptr);   // point
  EXPECT_EQ(find_scalar_encoder(1007), nullptr);  // int4[]
}

TEST(BinaryBufferMemory, IsGivenBackAfterOneLongUse) {
  constexpr std::size_t kLong = std::size_t{32} << 20;
  constexpr std::size_t kUsual = std::size_t{4} << 20;
  BinaryBuffer buffer;
  const auto use = [&](std::size_t bytes) {
    buffer.clear();
    buffer.put_bytes(std::string(bytes, 'x'));
  };
  use(kUsual);
  const std::size_t usual = buffer.capacity();
  use(kUsual);
  EXPECT_EQ(buffer.capacity(), usual) << "what is used again is kept";
  use(kLong);
  EXPECT_GE(buffer.capacity(), kLong);
  use(kUsual);
  use(kUsual);
  EXPECT_EQ(buffer.capacity(), usual);
  EXPECT_EQ(buffer.view(), std::string(kUsual, 'x'));
}

TEST(BinaryBufferMemory, OfAStringToo) {
  std::string text(std::size_t{32} << 20, 'x');
  clear_for_reuse(text);
  EXPECT_GE(text.capacity(), std::size_t{32} << 20);
  text = "short";
  text.reserve(std::size_t{32} << 20);
  clear_for_reuse(text);
  EXPECT_TRUE(text.empty());
  EXPECT_LT(text.capacity(), std::size_t{1} << 20);
}

}  // namespace
}  // namespace hypercopy
