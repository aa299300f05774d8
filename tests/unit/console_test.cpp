#include "hypercopy/console.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <regex>
#include <string>
#include <thread>
#include <vector>

#include "hypercopy/progress.hpp"

namespace hypercopy {
namespace {

using namespace std::chrono_literals;

const std::string kErase = "\r\x1b[K";

class Descriptors {
 public:
  Descriptors() = default;
  Descriptors(const Descriptors&) = delete;
  Descriptors& operator=(const Descriptors&) = delete;
  ~Descriptors() {
    close_writer();
    if (reader_ >= 0) {
      close(reader_);
    }
  }

  bool open_pipe() {
    std::array<int, 2> ends{};
    if (pipe(ends.data()) != 0) {
      return false;
    }
    reader_ = ends[0];
    writer_ = ends[1];
    return true;
  }

  // A terminal that passes bytes on as they are.
  bool open_terminal(unsigned short columns) {
    termios settings{};
    cfmakeraw(&settings);
    const winsize size{.ws_row = 24, .ws_col = columns, .ws_xpixel = 0, .ws_ypixel = 0};
    return openpty(&reader_, &writer_, nullptr, &settings, &size) == 0;
  }

  void resize(unsigned short columns) const {
    const winsize size{.ws_row = 24, .ws_col = columns, .ws_xpixel = 0, .ws_ypixel = 0};
    ASSERT_EQ(ioctl(writer_, TIOCSWINSZ, &size), 0);
  }

  [[nodiscard]] int reader() const { return reader_; }
  [[nodiscard]] int writer() const { return writer_; }

  void close_writer() {
    if (writer_ >= 0) {
      close(writer_);
    }
    writer_ = -1;
  }
  void close_reader() {
    close(reader_);
    reader_ = -1;
  }

  // What was written since the last call.
  [[nodiscard]] std::string written() const {
    std::string text;
    pollfd readable{.fd = reader_, .events = POLLIN, .revents = 0};
    while (poll(&readable, 1, 0) == 1 && (readable.revents & POLLIN) != 0) {
      std::array<char, 4096> buffer{};
      const ssize_t got = read(reader_, buffer.data(), buffer.size());
      if (got <= 0) {
        break;
      }
      text.append(buffer.data(), static_cast<std::size_t>(got));
    }
    return text;
  }

 private:
  int reader_ = -1;
  int writer_ = -1;
};

class ConsolePipe : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(pipe_.open_pipe()); }
  Descriptors pipe_;
};

class ConsoleTerminal : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(terminal_.open_terminal(100));
    setenv("TERM", "xterm", 1);
  }
  Descriptors terminal_;
};

struct LevelCase {
  LogLevel level;
  const char* expected;
};

TEST_F(ConsolePipe, LevelsAreNamedWhereTheyMatter) {
  Console console(pipe_.writer(), "hypercopy", true);
  const std::vector<LevelCase> cases{{LogLevel::error, "hypercopy: error: text\n"},
                                     {LogLevel::warning, "hypercopy: warning: text\n"},
                                     {LogLevel::info, "hypercopy: text\n"},
                                     {LogLevel::verbose, "hypercopy: text\n"}};
  for (const auto& [level, expected] : cases) {
    console.log(level, "text");
    EXPECT_EQ(pipe_.written(), expected);
  }
}

TEST_F(ConsolePipe, VerboseIsHiddenUnlessAskedFor) {
  Console console(pipe_.writer(), "hypercopy", false);
  console.log(LogLevel::verbose, "hidden");
  EXPECT_EQ(pipe_.written(), "");
  console.log(LogLevel::info, "shown");
  EXPECT_EQ(pipe_.written(), "hypercopy: shown\n");
}

TEST_F(ConsolePipe, FurtherLinesAreIndented) {
  Console console(pipe_.writer(), "hypercopy", false);
  console.log(LogLevel::error, "first\nsecond\nthird");
  EXPECT_EQ(pipe_.written(), "hypercopy: error: first\n  second\n  third\n");
}

TEST_F(ConsolePipe, MessageIsNotAFormat) {
  Console console(pipe_.writer(), "50%n {}", false);
  console.log(LogLevel::info, "{} %v %s {0:x} 100%");
  EXPECT_EQ(pipe_.written(), "50%n {}: {} %v %s {0:x} 100%\n");
}

TEST_F(ConsolePipe, DatedLines) {
  Console console(pipe_.writer(), "timescaledb-parallel-copy", false, Console::Prefix::date);
  console.log(LogLevel::error, "failed to copy CSV");
  const std::string text = pipe_.written();
  EXPECT_TRUE(std::regex_match(text, std::regex(R"(\d{4}/\d\d/\d\d \d\d:\d\d:\d\d failed to copy CSV\n)")))
      << text;
}

TEST_F(ConsolePipe, LineHasNoPrefix) {
  Console console(pipe_.writer(), "hypercopy", false);
  console.line(R"({"event":"progress"})");
  EXPECT_EQ(pipe_.written(), "{\"event\":\"progress\"}\n");
}

TEST_F(ConsolePipe, HasNoBar) {
  Console console(pipe_.writer(), "hypercopy", false);
  EXPECT_FALSE(console.is_terminal());
  EXPECT_EQ(console.width(), 80U);
  console.bar("50%");
  console.log(LogLevel::info, "text");
  console.bar("");
  console.end_bar();
  EXPECT_EQ(pipe_.written(), "hypercopy: text\n");
}

TEST_F(ConsolePipe, LinesOfManyThreadsStayWhole) {
  constexpr int kThreads = 4;
  constexpr int kLines = 100;
  Console console(pipe_.writer(), "hypercopy", false);
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([&console] {
        for (int line = 0; line < kLines; ++line) {
          console.log(LogLevel::warning, "0123456789");
        }
      });
    }
  }
  std::string expected;
  for (int i = 0; i < kThreads * kLines; ++i) {
    expected += "hypercopy: warning: 0123456789\n";
  }
  EXPECT_EQ(pipe_.written(), expected);
}

TEST_F(ConsolePipe, FullNonBlockingDescriptorLosesNothing) {
  ASSERT_EQ(fcntl(pipe_.writer(), F_SETFL, O_NONBLOCK), 0);
  const std::string text(300'000, 'x');  // more than a pipe holds
  std::string received;
  {
    std::jthread reader([&] {
      std::array<char, 4096> buffer{};
      while (received.size() < text.size() + 1) {
        const ssize_t got = read(pipe_.reader(), buffer.data(), buffer.size());
        if (got <= 0) {
          return;
        }
        received.append(buffer.data(), static_cast<std::size_t>(got));
      }
    });
    Console console(pipe_.writer(), "hypercopy", false);
    console.line(text);
    pipe_.close_writer();
  }
  EXPECT_EQ(received, text + "\n");
}

TEST_F(ConsolePipe, ClosedReaderIsIgnored) {
  const auto before = std::signal(SIGPIPE, SIG_IGN);
  pipe_.close_reader();
  Console console(pipe_.writer(), "hypercopy", false);
  console.log(LogLevel::error, "nobody hears this");
  console.line("nor this");
  std::signal(SIGPIPE, before);
  EXPECT_FALSE(console.is_terminal());
}

TEST(Console, DescriptorThatIsNotOpenIsIgnored) {
  Console console(-1, "hypercopy", true);
  console.log(LogLevel::error, "nobody hears this");
  console.bar("50%");
  console.end_bar();
  EXPECT_FALSE(console.is_terminal());
  EXPECT_EQ(console.width(), 80U);
}

TEST_F(ConsoleTerminal, BarIsErasedBeforeAndDrawnBehindALogLine) {
  Console console(terminal_.writer(), "hypercopy", false);
  ASSERT_TRUE(console.is_terminal());
  console.bar("50%");
  EXPECT_EQ(terminal_.written(), kErase + "50%");
  console.log(LogLevel::warning, "first\nsecond");
  EXPECT_EQ(terminal_.written(), kErase + "hypercopy: warning: first\n  second\n50%");
  console.line("as it is");
  EXPECT_EQ(terminal_.written(), kErase + "as it is\n50%");
  console.bar("51%");
  EXPECT_EQ(terminal_.written(), kErase + "51%");
}

TEST_F(ConsoleTerminal, EmptyBarTakesItAway) {
  Console console(terminal_.writer(), "hypercopy", false);
  console.bar("");
  EXPECT_EQ(terminal_.written(), "");
  console.bar("50%");
  console.bar("");
  EXPECT_EQ(terminal_.written(), kErase + "50%" + kErase);
  console.log(LogLevel::info, "text");
  EXPECT_EQ(terminal_.written(), "hypercopy: text\n");
}

TEST_F(ConsoleTerminal, EndedBarStands) {
  Console console(terminal_.writer(), "hypercopy", false);
  console.bar("100%");
  console.end_bar();
  console.end_bar();
  console.log(LogLevel::info, "text");
  EXPECT_EQ(terminal_.written(), kErase + "100%\nhypercopy: text\n");
}

TEST_F(ConsoleTerminal, WidthFollowsTheTerminal) {
  const Console console(terminal_.writer(), "hypercopy", false);
  EXPECT_EQ(console.width(), 100U);
  terminal_.resize(41);
  EXPECT_EQ(console.width(), 41U);
  terminal_.resize(0);
  EXPECT_EQ(console.width(), 80U);
}

TEST_F(ConsoleTerminal, DumbTerminalHasNoBar) {
  setenv("TERM", "dumb", 1);
  Console console(terminal_.writer(), "hypercopy", false);
  EXPECT_FALSE(console.is_terminal());
  console.bar("50%");
  console.log(LogLevel::info, "text");
  EXPECT_EQ(terminal_.written(), "hypercopy: text\n");
}

TEST_F(ConsoleTerminal, ReporterLeavesOneColumnFreeAndTheBarStanding) {
  Console console(terminal_.writer(), "hypercopy", false);
  ProgressReporter reporter(console, ProgressReporter::Style::bar, 10s);
  ProgressState now{.bytes_done = 50, .bytes_total = 100, .rows_loaded = 5, .elapsed = 100ms};
  for (const unsigned short columns : std::initializer_list<unsigned short>{120, 80, 40, 20, 5, 1}) {
    terminal_.resize(columns);
    now.elapsed += 100ms;
    reporter.update(now);
    const std::string text = terminal_.written();
    ASSERT_TRUE(text.starts_with(kErase) || columns == 1) << text;
    EXPECT_LT(text.substr(std::min(text.size(), kErase.size())).size(), columns) << text;
  }
  terminal_.resize(80);
  now.bytes_done = 100;
  reporter.finish(now);
  const std::string text = terminal_.written();
  EXPECT_TRUE(text.starts_with("100% [") || text.starts_with(kErase + "100% [")) << text;
  EXPECT_TRUE(text.ends_with("\n")) << text;
}

TEST_F(ConsoleTerminal, BarIsDrawnTenTimesASecond) {
  Console console(terminal_.writer(), "hypercopy", false);
  ProgressReporter reporter(console, ProgressReporter::Style::bar, 10s);
  ProgressState now{.bytes_total = 100};
  int draws = 0;
  for (now.elapsed = 0ms; now.elapsed <= 2s; now.elapsed += 10ms) {
    reporter.update(now);
    draws += terminal_.written().empty() ? 0 : 1;
  }
  EXPECT_EQ(draws, 20);
}

// Batches end seldom: between most draws nothing happens, and the rate must not fall to 0 and leap.
TEST_F(ConsoleTerminal, BarRatesAreThoseOfTheLastSeconds) {
  Console console(terminal_.writer(), "hypercopy", false);
  ProgressReporter reporter(console, ProgressReporter::Style::bar, 10s);
  ProgressState now{.bytes_total = 1'000'000'000};
  for (now.elapsed = 100ms; now.elapsed <= 30s; now.elapsed += 100ms) {
    if (now.elapsed % 1s == 0s) {
      now.bytes_done += now.elapsed <= 15s ? 10'000'000 : 20'000'000;
    }
    reporter.update(now);
    const std::string text = terminal_.written();
    if (now.elapsed > 10s && now.elapsed <= 15s) {
      EXPECT_TRUE(std::regex_search(text, std::regex(R"( ([89]|1[0-2])\.\d MB/s)"))) << text;
    }
    if (now.elapsed > 25s) {
      EXPECT_TRUE(std::regex_search(text, std::regex(R"( (1[6-9]|2[0-4])\.\d MB/s)"))) << text;
    }
  }
}

}  // namespace
}  // namespace hypercopy
