// Reject files that cannot be written, or were not there a moment ago: nothing is loaded whose rejects are not on disk.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "support/checked_load.hpp"
#include "support/file_contents.hpp"

namespace hypercopy::test {
namespace {

std::uint64_t lines(const std::string& path) {
  const std::string text = contents(path);
  return static_cast<std::uint64_t>(std::count(text.begin(), text.end(), '\n'));
}

class RejectFilesOfALoad : public CheckedLoadTest {
 protected:
  // Every tenth record is bad.
  static std::string input(int records) {
    std::string bytes;
    for (int row = 1; row <= records; ++row)
      bytes += row % 10 == 0 ? fmt::format("x{}\n", row) : fmt::format("{}\n", row);
    return bytes;
  }
  void expect_kept_what_is_committed(const Checked& run) const {
    ASSERT_FALSE(run.report.is_null()) << run.outcome.err;
    const auto& totals = run.report["totals"];
    EXPECT_EQ(lines(rejects_), totals["records_rejected"].get<std::uint64_t>());
    EXPECT_EQ(lines(rejects_ + ".jsonl"), lines(rejects_));
    EXPECT_EQ(count("t") + lines(rejects_), totals["committed"]["records"].get<std::uint64_t>());
    EXPECT_GT(totals["failed"]["records"], 0);
  }

  const std::string rejects_ = folder_.path() + "/bad";
};

// It is written when all is over: what it would overwrite, and where it cannot be, is told before the first row.
TEST_F(RejectFilesOfALoad, TheReportHasAPlaceOfItsOwn) {
  server().execute("CREATE TABLE t (a int)");
  const std::string bytes = "x\n2\n";
  const std::string file = folder_.file("in.csv", bytes);
  std::filesystem::create_symlink(file, folder_.path() + "/link");
  for (const std::string& report :
       {file, folder_.path() + "/./in.csv", folder_.path() + "/link", file + ".rejects",
        file + ".rejects.jsonl", folder_.path(), folder_.path() + "/none/report"}) {
    SCOPED_TRACE(report);
    const Outcome refused =
        load({"-t", "t", "--on-error", "reject", "--report", report, folder_.path() + "/in.csv"});
    EXPECT_EQ(refused.exit_code, 2) << refused.err;
    EXPECT_NE(refused.err.find("the report " + report), std::string::npos) << refused.err;
    EXPECT_NE(refused.err.find("--report"), std::string::npos) << refused.err;
  }
  EXPECT_EQ(count("t"), 0U);
  EXPECT_EQ(contents(file), bytes);
  EXPECT_FALSE(std::filesystem::exists(file + ".rejects"));
}

TEST_F(RejectFilesOfALoad, OfSeveralInputsAreInAFolder) {
  server().execute("CREATE TABLE t (a int)");
  std::filesystem::create_directory(folder_.path() + "/x");
  std::filesystem::create_directory(folder_.path() + "/y");
  const std::string first = folder_.file("x/in.csv", "a\n1\nx\n");
  const std::string second = folder_.file("y/in.csv", "a\n2\ny\nz\n");
  const std::string third = folder_.file("clean.csv", "a\n3\n");
  const Checked run = this->run(
      "t", {"--on-error", "reject", "--header", "-j", "1", "--reject-file", rejects_, first, second, third});
  EXPECT_EQ(run.outcome.exit_code, 3) << run.outcome.err;
  EXPECT_EQ(count("t"), 3U);
  EXPECT_EQ(contents(rejects_ + "/in.csv.rejects"), "a\nx\n");
  EXPECT_EQ(contents(rejects_ + "/in.csv.2.rejects"), "a\ny\nz\n");
  EXPECT_FALSE(std::filesystem::exists(rejects_ + "/clean.csv.rejects"));
  ASSERT_EQ(run.report["reject_files"].size(), 2U);
  EXPECT_EQ(run.report["reject_files"][1]["source"], second);
  EXPECT_EQ(run.report["reject_files"][1]["path"], rejects_ + "/in.csv.2.rejects");
  EXPECT_EQ(run.report["inputs"][1]["totals"]["records_rejected"], 2);
}

TEST_F(RejectFilesOfALoad, StandBesideTheInputByDefault) {
  server().execute("CREATE TABLE t (a int)");
  const std::string path = folder_.file("in.csv", "1\nx\n");
  const Checked run = this->run("t", {"--on-error", "reject", path});
  EXPECT_EQ(run.outcome.exit_code, 3) << run.outcome.err;
  EXPECT_EQ(contents(path + ".rejects"), "x\n");
  EXPECT_EQ(lines(path + ".rejects.jsonl"), 1U);
  // They are not written over.
  rows_before_ = 1;
  const Checked again = this->run("t", {"--on-error", "reject", path});
  EXPECT_EQ(again.outcome.exit_code, 2);
  EXPECT_TRUE(says(again, path + ".rejects is not empty"));
  EXPECT_EQ(count("t"), 1U);
}

TEST_F(RejectFilesOfALoad, OfStandardInput) {
  server().execute("CREATE TABLE t (a int)");
  const Checked run = this->run("t", {"--on-error", "reject", "--header", "--reject-file", rejects_},
                                {.stdin_bytes = "a\n1\nx\n"});
  EXPECT_EQ(run.outcome.exit_code, 3) << run.outcome.err;
  EXPECT_EQ(contents(rejects_), "a\nx\n");
  EXPECT_TRUE(says(run, "those of standard input are in " + rejects_));
}

TEST_F(RejectFilesOfALoad, ThatKeepNothingAreRefused) {
  server().execute("CREATE TABLE t (a int)");
  const std::string path = folder_.file("in.csv", "1\nx\n");
  ASSERT_EQ(::mkfifo(rejects_.c_str(), 0600), 0);
  for (const std::string& wanted : {rejects_, std::string("/dev/full"), std::string("-"), path}) {
    const Checked run = this->run("t", {"--on-error", "reject", "--reject-file", wanted, path});
    EXPECT_EQ(run.outcome.exit_code, 2) << run.outcome.err;
    EXPECT_EQ(count("t"), 0U) << wanted;
  }
  EXPECT_EQ(contents(path), "1\nx\n");
}

// The disk, as far as this process may use it, is full after a few batches.
TEST_F(RejectFilesOfALoad, ThatFindNoRoomEndTheLoad) {
  server().execute("CREATE TABLE t (a int)");
  for (const char* const jobs : {"1", "3"}) {
    server().execute("TRUNCATE t");
    std::remove(rejects_.c_str());
    std::remove((rejects_ + ".jsonl").c_str());
    RunOptions options;
    options.program = "/bin/sh";
    const std::string path = folder_.file("in.csv", input(5000));
    const std::string report = folder_.path() + "/report.json";
    const Outcome outcome = run_program({"-c",
                                         "trap '' XFSZ; ulimit -f 24; exec \"$0\" \"$@\"",
                                         program_path(),
                                         "load",
                                         "-w",
                                         "-d",
                                         dsn(),
                                         "--report",
                                         report,
                                         "-t",
                                         "t",
                                         "--on-error",
                                         "reject",
                                         "--batch-rows",
                                         "100",
                                         "-j",
                                         jobs,
                                         "--reject-file",
                                         rejects_,
                                         path},
                                        options);
    EXPECT_EQ(outcome.exit_code, 1) << outcome.err;
    const Checked run{.outcome = outcome, .report = nlohmann::json::parse(std::ifstream(report))};
    EXPECT_TRUE(says(run, "cannot write " + rejects_));
    EXPECT_TRUE(says(run, "nothing of it is loaded or kept"));
    EXPECT_EQ(run.report["error"]["kind"], "output");
    EXPECT_GT(run.report["totals"]["committed"]["records"], 0);
    expect_kept_what_is_committed(run);
  }
}

TEST_F(RejectFilesOfALoad, OnAFullDiskEndTheLoad) {
  const std::string disk = folder_.path() + "/disk";
  std::filesystem::create_directory(disk);
  if (::mount("none", disk.c_str(), "tmpfs", 0, "size=16k") != 0)
    GTEST_SKIP() << "no small file system can be mounted here (needs root)";
  server().execute("CREATE TABLE t (a int)");
  const std::string full = disk + "/bad";
  const Checked run = this->run("t", {"--on-error", "reject", "--batch-rows", "100", "--reject-file", full,
                                      folder_.file("in.csv", input(5000))});
  EXPECT_EQ(run.outcome.exit_code, 1);
  EXPECT_TRUE(says(run, "No space left on device"));
  EXPECT_EQ(count("t") + lines(full), run.report["totals"]["committed"]["records"].get<std::uint64_t>());
  EXPECT_EQ(lines(full), lines(full + ".jsonl"));
  ASSERT_EQ(::umount(disk.c_str()), 0);
}

// The file is replaced by a pipe that nobody reads, after the load has looked at it and before it has a bad record.
TEST_F(RejectFilesOfALoad, ThatBecameAPipeEndTheLoad) {
  server().execute("CREATE TABLE t (a int)");
  const std::string pipe = folder_.path() + "/in.csv";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  const auto process = start("t", {"--on-error", "reject", "--reject-file", rejects_, pipe});
  const int input =
      ::open(pipe.c_str(), O_WRONLY);  // waits until it is opened for reading, behind all checks
  ASSERT_GE(input, 0);
  ASSERT_EQ(::mkfifo(rejects_.c_str(), 0600), 0);
  EXPECT_EQ(::write(input, "1\nx\n2\n", 6), 6);
  ::close(input);
  const Checked run = finish(*process, "t");
  expect_failure(run, 0, {rejects_, "nothing of it is loaded or kept", "no row is committed"});
}

}  // namespace
}  // namespace hypercopy::test
