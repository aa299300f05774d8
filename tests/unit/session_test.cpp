#include "hypercopy/session.hpp"

#include <gtest/gtest.h>
#include <libpq-fe.h>

#include <set>

namespace hypercopy {
namespace {

TEST(EncodingHidesAscii, NamesTheUnsafeOnes) {
  for (const char* encoding : {"SJIS", "SHIFT_JIS_2004", "BIG5", "GBK", "UHC", "GB18030", "JOHAB"})
    EXPECT_TRUE(encoding_hides_ascii(encoding)) << encoding;
  for (const char* encoding : {"UTF8", "SQL_ASCII", "LATIN1", "EUC_JP", "EUC_KR", "EUC_CN", "WIN1252", ""})
    EXPECT_FALSE(encoding_hides_ascii(encoding)) << encoding;
}

// libpq's own tables: in an unsafe encoding some two-byte character ends in an ASCII byte. A character counts
// as one where libpq says that it is two bytes long whatever its second byte is.
TEST(EncodingHidesAscii, AgreesWithTheListOfClientOnlyEncodings) {
  // PG_ENCODING_BE_LAST (pg_wchar.h) is not public: EUC_* and MULE never follow a high byte with ASCII.
  const std::set<std::string> others{"EUC_JP",       "EUC_CN",        "EUC_KR", "EUC_TW",
                                     "EUC_JIS_2004", "MULE_INTERNAL", "UTF8"};
  int checked = 0;
  for (int id = 0; id < 64; ++id) {
    const std::string name = pg_encoding_to_char(id);
    if (name.empty()) continue;
    ++checked;
    // 0x81 begins a two-byte character in all of the unsafe encodings but BIG5 and JOHAB, which begin later.
    bool multibyte = false;
    for (int lead = 0x81; lead <= 0xFE; ++lead) {
      const std::string text{static_cast<char>(lead), 'a', 0};
      multibyte = multibyte || PQmblen(text.c_str(), id) > 1;
    }
    EXPECT_EQ(encoding_hides_ascii(name), multibyte && !others.contains(name)) << name;
  }
  EXPECT_GT(checked, 30) << "libpq knows its encodings";
}

}  // namespace
}  // namespace hypercopy
