#include "hypercopy/result.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace hypercopy {
namespace {

TEST(ErrorText, ShowsEveryPartInOrder) {
  const Error error{.kind = ErrorKind::sql,
                    .message = "invalid input syntax for type integer: \"x\"",
                    .sqlstate = "22P02",
                    .detail = "a detail",
                    .hint = "a hint",
                    .context = "COPY cpu, line 3",
                    .column = "usage",
                    .location = Location{"data.csv", {.byte = 1033, .line = 14, .record = 12}}};
  EXPECT_EQ(to_string(error),
            "invalid input syntax for type integer: \"x\"\n"
            "  at data.csv: record 12, line 14, byte 1033\n"
            "  column: usage\n"
            "  SQLSTATE: 22P02\n"
            "  DETAIL: a detail\n"
            "  HINT: a hint");
}

TEST(ErrorText, IsOneLineWhereOnlyTheMessageIsSet) {
  EXPECT_EQ(to_string(Error{.kind = ErrorKind::input, .message = "no such file"}), "no such file");
}

TEST(ErrorText, LeavesEmptyPartsOut) {
  EXPECT_EQ(to_string(Error{.message = "m", .hint = "h"}), "m\n  HINT: h");
}

TEST(ErrorText, NamesTheKindWhereThereIsNoMessage) {
  EXPECT_EQ(to_string(Error{.kind = ErrorKind::connection, .message = "", .sqlstate = "08006"}),
            "connection error\n  SQLSTATE: 08006");
}

TEST(ErrorText, IndentsLinesThatAPartGoesOnWith) {
  EXPECT_EQ(to_string(Error{.message = "first\nsecond", .detail = "third\nHINT: not one"}),
            "first\n  second\n  DETAIL: third\n    HINT: not one");
}

TEST(LocationText, CountsInRecordsLinesAndBytes) {
  EXPECT_EQ(to_string(Location{"-", {}}), "-: record 1, line 1, byte 0");
  EXPECT_EQ(to_string(Location{.source = "a.csv",
                               .at = {.byte = 30, .line = 4, .record = 3},
                               .last = Position{.byte = 59, .line = 9, .record = 7}}),
            "a.csv: records 3 to 7, lines 4 to 9, bytes 30 to 59");
}

TEST(ErrorKindText, IsDifferentForEachKind) {
  std::set<std::string_view> names;
  for (int kind = 0; kind <= static_cast<int>(ErrorKind::internal); ++kind) {
    names.insert(to_string(static_cast<ErrorKind>(kind)));
  }
  EXPECT_EQ(names, (std::set<std::string_view>{"usage", "input", "target", "connection", "sql", "protocol",
                                               "output", "interrupted", "accounting", "internal"}));
}

}  // namespace
}  // namespace hypercopy
