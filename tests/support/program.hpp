// Runs the built program as a user would: argv, standard input, environment; stdout, stderr and exit code
// come back.
// Threads: one Process per thread. A watchdog kills a process that hangs, and the test fails.
#pragma once

#include <sys/types.h>
#include <chrono>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace hypercopy::test {

struct Outcome {
  int exit_code = -1;  // 128 + signal for a process that a signal ended
  bool timed_out = false;
  std::string out;
  std::string err;
  std::size_t peak_bytes = 0;  // most memory that it (or a program it ran and waited for) had resident
};

struct RunOptions {
  std::string stdin_bytes{};
  std::map<std::string, std::string> environment{};  // added to that of the test
  std::string program{};                             // empty: the built hypercopy
  std::chrono::seconds timeout{60};
};

// A program that runs. wait() collects it.
class Process {
 public:
  Process(const std::vector<std::string>& arguments, RunOptions options = {});
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  void signal(int number) const;
  [[nodiscard]] pid_t pid() const { return pid_; }
  // Reads stderr until it holds `text`; false when it ended, or the timeout passed, without.
  [[nodiscard]] bool await_said(std::string_view text);
  [[nodiscard]] Outcome wait();

 private:
  RunOptions options_;
  std::string said_{};  // of stderr, before wait()
  pid_t pid_ = -1;
  int in_ = -1;
  int out_ = -1;
  int err_ = -1;
};

[[nodiscard]] Outcome run_program(const std::vector<std::string>& arguments, RunOptions options = {});

// The path of the built program, and of its link named timescaledb-parallel-copy.
[[nodiscard]] std::string program_path();
[[nodiscard]] std::string drop_in_path();

// A folder that is removed with everything in it.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }
  // Writes a file into it and gives its path.
  [[nodiscard]] std::string file(const std::string& name, std::string_view bytes) const;

 private:
  std::string path_;
};

}  // namespace hypercopy::test
