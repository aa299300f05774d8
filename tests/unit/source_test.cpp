#include "hypercopy/source.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "support/program.hpp"

namespace hypercopy::test {
namespace {

using Names = std::vector<std::string>;

bool is_readable(int fd) {
  pollfd wait{.fd = fd, .events = POLLIN, .revents = 0};
  return ::poll(&wait, 1, 0) == 1;
}

class Sources : public ::testing::Test {
 protected:
  [[nodiscard]] Result<std::unique_ptr<Source>> open(const std::string& path) const {
    return open_source(path, *cancellation_);
  }
  // Everything, `piece` bytes at a time.
  static Result<std::string> read_all(Source& source, std::size_t piece) {
    std::string all;
    std::string buffer(piece, '\0');
    while (true) {
      HYPERCOPY_ASSIGN(const std::size_t count, source.read(buffer));
      if (count == 0) return all;
      all.append(buffer, 0, count);
    }
  }

  TemporaryFolder folder_;
  std::unique_ptr<Cancellation> cancellation_ = *Cancellation::create();
};

TEST_F(Sources, ARegularFileIsReadToItsEnd) {
  const std::string bytes("a\0b\r\n\xFF", 6);
  const std::string path = folder_.file("in.csv", bytes);
  for (const std::size_t piece : {std::size_t{1}, std::size_t{4}, std::size_t{100}}) {
    auto source = open(path);
    ASSERT_TRUE(source);
    EXPECT_EQ((*source)->name(), path);
    EXPECT_EQ((*source)->size(), 6U);
    EXPECT_EQ(*read_all(**source, piece), bytes);
  }
}

TEST_F(Sources, AnEmptyFileEndsAtOnce) {
  auto source = open(folder_.file("in.csv", ""));
  ASSERT_TRUE(source);
  EXPECT_EQ((*source)->size(), 0U);
  EXPECT_EQ(*read_all(**source, 10), "");
}

TEST_F(Sources, AFileThatShrinksIsAnErrorAndStaysOne) {
  const std::string path = folder_.file("in.csv", "0123456789");
  auto source = open(path);
  ASSERT_TRUE(source);
  std::string buffer(4, '\0');
  ASSERT_EQ(*(*source)->read(buffer), 4U);
  std::filesystem::resize_file(path, 6);
  ASSERT_EQ(*(*source)->read(buffer), 2U);
  for (int again = 0; again < 2; ++again) {
    const auto read = (*source)->read(buffer);
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().kind, ErrorKind::input);
    EXPECT_NE(read.error().message.find("shrank"), std::string::npos);
    EXPECT_NE(read.error().message.find("10 bytes"), std::string::npos);
    EXPECT_NE(read.error().message.find("byte 6"), std::string::npos);
    std::ofstream(path, std::ios::app) << "more";  // too late
  }
}

TEST_F(Sources, AFileThatGrowsIsReadToItsNewEnd) {
  const std::string path = folder_.file("in.csv", "01");
  auto source = open(path);
  ASSERT_TRUE(source);
  std::ofstream(path, std::ios::app) << "23";
  EXPECT_EQ(*read_all(**source, 10), "0123");
}

TEST_F(Sources, ADirectoryIsNoFile) {
  const auto source = open(folder_.path());
  ASSERT_FALSE(source);
  EXPECT_EQ(source.error().kind, ErrorKind::input);
  EXPECT_NE(source.error().message.find("is a directory"), std::string::npos);
  EXPECT_NE(source.error().hint.find("/*.csv"), std::string::npos);
}

TEST_F(Sources, AMissingFileIsNamed) {
  const auto source = open(folder_.path() + "/missing.csv");
  ASSERT_FALSE(source);
  EXPECT_NE(source.error().message.find("missing.csv: No such file"), std::string::npos);
}

TEST_F(Sources, AFifoHasNoSizeAndEndsWithItsWriter) {
  const std::string path = folder_.path() + "/fifo";
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  EXPECT_TRUE(is_fifo(path));
  EXPECT_FALSE(is_fifo(folder_.path()));
  EXPECT_FALSE(is_fifo(folder_.path() + "/missing"));
  std::jthread writer([&] { std::ofstream(path) << "1\n2\n"; });
  auto source = open(path);
  ASSERT_TRUE(source);
  EXPECT_FALSE((*source)->size());
  EXPECT_EQ(*read_all(**source, 3), "1\n2\n");
}

TEST_F(Sources, ARequestToStopEndsTheWaitForAPipe) {
  const std::string path = folder_.path() + "/fifo";
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  const int writer = ::open(path.c_str(), O_RDWR);  // holds the pipe open, writes nothing
  auto source = open(path);
  ASSERT_TRUE(source);
  std::jthread stopper([&] { cancellation_->request(Cancellation::Level::graceful); });
  std::string buffer(4, '\0');
  const auto read = (*source)->read(buffer);
  ::close(writer);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().kind, ErrorKind::interrupted);
}

TEST_F(Sources, PatternsAreReplacedByWhatTheyMatchSorted) {
  for (const char* name : {"b.csv", "a.csv", "[x].csv", "c.txt"}) static_cast<void>(folder_.file(name, ""));
  const std::string at = folder_.path() + "/";
  EXPECT_EQ(*expand_files({at + "?.csv"}), (Names{at + "a.csv", at + "b.csv"}));
  EXPECT_EQ(*expand_files({at + "c.*", at + "a.csv", at + "[ab].csv"}),
            (Names{at + "c.txt", at + "a.csv", at + "a.csv", at + "b.csv"}));
  EXPECT_EQ(*expand_files({at + "[x].csv"}), Names{at + "[x].csv"}) << "a file of that name wins";
  EXPECT_EQ(*expand_files({at + "missing.csv"}), Names{at + "missing.csv"}) << "no pattern: opening it tells";
  EXPECT_EQ(*expand_files({}), Names{"-"});
  EXPECT_EQ(*expand_files({"-"}), Names{"-"});
  const auto none = expand_files({at + "*.zip"});
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().kind, ErrorKind::input);
  EXPECT_NE(none.error().message.find("*.zip"), std::string::npos);
}

// --- cancellation -----------------------------------------------------------------------------------------

TEST(CancellationLevels, OnlyRise) {
  using Level = Cancellation::Level;
  auto cancellation = *Cancellation::create();
  EXPECT_EQ(cancellation->level(), Level::none);
  EXPECT_FALSE(is_readable(cancellation->graceful_fd()));
  cancellation->request(Level::none);
  EXPECT_FALSE(is_readable(cancellation->graceful_fd()));
  cancellation->request(Level::graceful);
  EXPECT_EQ(cancellation->level(), Level::graceful);
  EXPECT_TRUE(is_readable(cancellation->graceful_fd()));
  EXPECT_FALSE(is_readable(cancellation->immediate_fd()));
  cancellation->request(Level::immediate);
  cancellation->request(Level::graceful);
  EXPECT_EQ(cancellation->level(), Level::immediate);
  EXPECT_TRUE(is_readable(cancellation->immediate_fd()));
}

TEST(CancellationLevels, ImmediateIsGracefulToo) {
  auto cancellation = *Cancellation::create();
  cancellation->request(Cancellation::Level::immediate);
  EXPECT_TRUE(is_readable(cancellation->graceful_fd()));
  EXPECT_TRUE(is_readable(cancellation->immediate_fd()));
}

TEST(CancellationLevels, EscalateGoesStepByStep) {
  auto cancellation = *Cancellation::create();
  errno = 77;
  cancellation->escalate();
  EXPECT_EQ(cancellation->level(), Cancellation::Level::graceful);
  cancellation->escalate();
  EXPECT_EQ(cancellation->level(), Cancellation::Level::immediate);
  for (int again = 0; again < 1000; ++again) cancellation->escalate();
  EXPECT_EQ(cancellation->level(), Cancellation::Level::immediate);
  EXPECT_EQ(errno, 77) << "called from signal handlers";
}

TEST(CancellationLevels, ManyThreadsMayAsk) {
  auto cancellation = *Cancellation::create();
  {
    std::vector<std::jthread> threads;
    for (const auto level : {Cancellation::Level::graceful, Cancellation::Level::immediate})
      for (int number = 0; number < 4; ++number)
        threads.emplace_back([&, level] { cancellation->request(level); });
  }
  EXPECT_EQ(cancellation->level(), Cancellation::Level::immediate);
  EXPECT_TRUE(is_readable(cancellation->immediate_fd()));
}

}  // namespace
}  // namespace hypercopy::test
