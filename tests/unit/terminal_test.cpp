#include "terminal.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <csignal>

namespace hypercopy {
namespace {

struct WordCase {
  const char* name;
  std::string word;
  std::string shown;
};

class HidePasswords : public ::testing::TestWithParam<WordCase> {};

TEST_P(HidePasswords, Overwrites) {
  std::string program = "hypercopy";
  std::string word = GetParam().word;
  std::array<char*, 2> argv{program.data(), word.data()};
  hide_passwords(2, argv.data());
  EXPECT_EQ(word, GetParam().shown);
}

INSTANTIATE_TEST_SUITE_P(
    Words, HidePasswords,
    ::testing::Values(
        WordCase{"keyword", "host=h password=secret user=u", "host=h password=xxxxxx user=u"},
        WordCase{"keyword_at_the_end", "password=secret", "password=xxxxxx"},
        WordCase{"blanks", "password = secret user=u", "password = xxxxxx user=u"},
        WordCase{"quoted", "password='se cret' user=u", "password='xxxxxxx' user=u"},
        WordCase{"quoted_quote", R"(password='a\'bc' user=u)", R"(password='xxxxx' user=u)"},
        WordCase{"escaped_blank", R"(password=a\ bc user=u)", R"(password=xxxxx user=u)"},
        WordCase{"twice", "password=a password=b", "password=x password=x"},
        WordCase{"what_libpq_takes_for_the_value", "password= user=u", "password= xxxxxx"},
        WordCase{"ends_in_a_backslash", "password=a\\", "password=xx"},
        WordCase{"the_user_is_called_so", "user=password host=h", "user=password host=h"},
        WordCase{"uri", "postgresql://u:secret@h/db", "postgresql://u:xxxxxx@h/db"},
        WordCase{"uri_with_an_at", "postgresql://u:se@cret@h/db", "postgresql://u:xxxxxxx@h/db"},
        WordCase{"uri_without_password", "postgresql://u@h:5432/db", "postgresql://u@h:5432/db"},
        WordCase{"uri_without_user", "postgresql://h:5432/db", "postgresql://h:5432/db"},
        WordCase{"uri_query", "postgresql://h/db?user=u&password=secret&x=y",
                 "postgresql://h/db?user=u&password=xxxxxx&x=y"},
        WordCase{"uri_with_port", "postgres://u:pw@h:5432/db", "postgres://u:xx@h:5432/db"},
        WordCase{"ssl_password", "sslpassword=secret", "sslpassword=xxxxxx"},
        WordCase{"go_flag", "-connection=host=h password=secret", "-connection=host=h password=xxxxxx"},
        WordCase{"another_word", "data.csv", "data.csv"}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(HidePasswordsAlone, LeavesTheProgramsNameAndNoArguments) {
  std::string program = "password=x";
  std::array<char*, 1> argv{program.data()};
  hide_passwords(1, argv.data());
  EXPECT_EQ(program, "password=x");
}

TEST(Signals, EscalateAndTheFirstIsRemembered) {
  auto cancellation = *Cancellation::create();
  handle_signals(*cancellation);
  EXPECT_EQ(received_signal(), 0);
  // Neither handler interrupts the other.
  for (const int number : {SIGINT, SIGTERM}) {
    struct sigaction installed {};
    ASSERT_EQ(::sigaction(number, nullptr, &installed), 0);
    EXPECT_EQ(sigismember(&installed.sa_mask, SIGINT), 1);
    EXPECT_EQ(sigismember(&installed.sa_mask, SIGTERM), 1);
  }
  std::raise(SIGTERM);
  EXPECT_EQ(cancellation->level(), Cancellation::Level::graceful);
  std::raise(SIGINT);
  EXPECT_EQ(cancellation->level(), Cancellation::Level::immediate);
  EXPECT_EQ(received_signal(), SIGTERM);
  std::signal(SIGTERM, SIG_DFL);
  std::signal(SIGINT, SIG_DFL);
}

// Standard output, replaced for the time of a test.
class ReplacedStdout {
 public:
  explicit ReplacedStdout(int fd) : before_(::dup(STDOUT_FILENO)) {
    std::fflush(stdout);
    ::dup2(fd, STDOUT_FILENO);
  }
  ~ReplacedStdout() {
    ::dup2(before_, STDOUT_FILENO);
    ::close(before_);
  }
  ReplacedStdout(const ReplacedStdout&) = delete;
  ReplacedStdout& operator=(const ReplacedStdout&) = delete;

 private:
  int before_;
};

TEST(WriteStdout, WritesAllAndNamesWhatWentWrong) {
  std::signal(SIGPIPE, SIG_IGN);
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe(ends.data()), 0);
  std::array<char, 16> buffer{};
  {
    const ReplacedStdout replaced(ends[1]);
    EXPECT_TRUE(write_stdout("COPY 5\n"));
  }
  EXPECT_EQ(::read(ends[0], buffer.data(), buffer.size()), 7);
  ::close(ends[0]);
  Status written;
  {
    const ReplacedStdout replaced(ends[1]);
    written = write_stdout("COPY 5\n");
  }
  ::close(ends[1]);
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().kind, ErrorKind::output);
  EXPECT_NE(written.error().message.find("Broken pipe"), std::string::npos);

  const int full = ::open("/dev/full", O_WRONLY | O_CLOEXEC);
  if (full < 0) GTEST_SKIP() << "there is no /dev/full";
  {
    const ReplacedStdout replaced(full);
    written = write_stdout("COPY 5\n");
  }
  ::close(full);
  ASSERT_FALSE(written);
  EXPECT_NE(written.error().message.find("No space left"), std::string::npos);
}

}  // namespace
}  // namespace hypercopy
