// Text is converted from client_encoding by the server, in both formats: the encoders pass its bytes on, and what is
// no text in that encoding is refused with the words that COPY CSV has for it.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <ostream>

#include "support/encoder_trial.hpp"
#include "support/server.hpp"

namespace hypercopy::test {
namespace {

struct EncodingCase {
  const char* name;
  const char* type;
  const char* client_encoding;
  std::string text;
  const char* sqlstate = "";         // of the server's text reader
  const char* binary_sqlstate = "";  // of its binary one
};

void PrintTo(const EncodingCase& test, std::ostream* out) {
  *out << test.type << ' ' << test.client_encoding;
}

class EncodeEncodings : public ServerTest, public testing::WithParamInterface<EncodingCase> {};

TEST_P(EncodeEncodings, AreTheServersMatter) {
  if (server().value("SHOW server_encoding") != "UTF8") GTEST_SKIP() << "the server's encoding is not UTF8";
  const EncodingCase& test = GetParam();
  const EncodedType type{.type = test.type};
  EncoderTrial trial(server(), dsn(), type);
  trial.use({"UTC", "ISO, MDY", "postgres", true});
  server().execute(fmt::format("SET client_encoding = '{}'", test.client_encoding));
  const Value value{.id = 1, .text = test.text, .field = trial.encode(test.text)};
  ASSERT_FALSE(value.field.empty());
  const Value* const alone = &value;
  EXPECT_EQ(trial.copy_csv("by_csv", {&alone, 1}).sqlstate, test.sqlstate);
  EXPECT_EQ(trial.copy_binary("by_binary", {&alone, 1}).sqlstate, test.binary_sqlstate);
  if (*test.binary_sqlstate == '\0') {
    EXPECT_EQ(trial.differences("by_csv", "by_binary"), "");
    EXPECT_EQ(server().value("SELECT count(*) FROM by_binary"), "1");
  }
}

INSTANTIATE_TEST_SUITE_P(
    Values, EncodeEncodings,
    testing::ValuesIn(std::vector<EncodingCase>{
        {"text", "text", "LATIN1", "\xe4\xf6"},
        {"varchar", "varchar(3)", "LATIN1", "\xe4\xf6\xfc"},
        {"bpchar", "char(3)", "LATIN1", "\xe4"},
        {"name", "name", "LATIN1", "\xe4"},
        {"json", "json", "LATIN1", "\"\xe4\""},
        {"jsonb", "jsonb", "LATIN1", "\"\xe4\""},
        {"enum_label", "mood", "LATIN1", "\xfc\\b"},
        {"text_array", "text[]", "LATIN1", "{\xe4,\"\xa0\"}"},
        {"bytea", "bytea", "LATIN1", "abc"},
        // namein cuts after the conversion, namerecv refuses: the batch then goes as CSV.
        {"name_that_grows", "name", "LATIN1", std::string(63, '\xe4'), "", "42622"},
        {"no_byte_of_utf8", "text", "UTF8", "\xff", "22021", "22021"},
        {"cut_character", "text", "UTF8", "\xc3", "22021", "22021"},
        {"surrogate", "text", "UTF8", "\xed\xa0\x80", "22021", "22021"},
        {"behind_last_character", "text", "UTF8", "\xf4\x90\x80\x80", "22021", "22021"},
        {"array_with_no_byte_of_utf8", "text[]", "UTF8", "{\"\xff\"}", "22021", "22021"},
        {"array_with_cut_character", "text[]", "UTF8", "{\xc3}", "22021", "22021"},
    }),
    [](const auto& param) { return std::string(param.param.name); });

}  // namespace
}  // namespace hypercopy::test
