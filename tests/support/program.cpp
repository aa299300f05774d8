#include "support/program.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>

extern char** environ;

namespace hypercopy::test {

namespace {

using Clock = std::chrono::steady_clock;
// Timeouts are what a program may take here; a loaded machine, or a sanitizer, takes longer.
constexpr int kLoad = 5;

std::array<int, 2> make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw std::runtime_error("pipe2");
  return ends;
}

std::vector<std::string> merged_environment(const std::map<std::string, std::string>& more) {
  std::vector<std::string> merged;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text(*entry);
    if (!more.contains(text.substr(0, text.find('=')))) merged.push_back(text);
  }
  for (const auto& [name, value] : more) merged.push_back(name + "=" + value);
  return merged;
}

std::vector<char*> pointers(std::vector<std::string>& words) {
  std::vector<char*> all;
  for (auto& word : words) all.push_back(word.data());
  all.push_back(nullptr);
  return all;
}

// False at the end of the stream.
bool read_into(int fd, std::string& text) {
  std::array<char, 65536> block{};
  const ssize_t count = ::read(fd, block.data(), block.size());
  if (count > 0) text.append(block.data(), static_cast<std::size_t>(count));
  return count > 0 || (count < 0 && errno == EINTR);
}

}  // namespace

std::string program_path() { return HYPERCOPY_PROGRAM; }
std::string drop_in_path() {
  return (std::filesystem::path(program_path()).parent_path() / "timescaledb-parallel-copy").string();
}

Process::Process(const std::vector<std::string>& arguments, RunOptions options)
    : options_(std::move(options)) {
  ::signal(SIGPIPE, SIG_IGN);  // a program that does not read its input must not end the test
  const auto in = make_pipe();
  const auto out = make_pipe();
  const auto err = make_pipe();
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, err[1], STDERR_FILENO);
  const std::string program = options_.program.empty() ? program_path() : options_.program;
  std::vector<std::string> words{program};
  words.insert(words.end(), arguments.begin(), arguments.end());
  auto environment = merged_environment(options_.environment);
  const int outcome = ::posix_spawn(&pid_, program.c_str(), &actions, nullptr, pointers(words).data(),
                                    pointers(environment).data());
  posix_spawn_file_actions_destroy(&actions);
  ::close(in[0]);
  ::close(out[1]);
  ::close(err[1]);
  in_ = in[1];
  out_ = out[0];
  err_ = err[0];
  if (outcome != 0) throw std::runtime_error("cannot start " + program);
}

Process::~Process() {
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  for (const int fd : {in_, out_, err_}) {
    if (fd >= 0) ::close(fd);
  }
}

void Process::signal(int number) const { ::kill(pid_, number); }

bool Process::await_said(std::string_view text) {
  const auto deadline = Clock::now() + kLoad * options_.timeout;
  while (said_.find(text) == std::string::npos) {
    const auto time_left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
    pollfd wait{.fd = err_, .events = POLLIN, .revents = 0};
    if (time_left <= 0) return false;
    if (::poll(&wait, 1, static_cast<int>(time_left)) > 0 && !read_into(err_, said_)) return false;
  }
  return true;
}

Outcome Process::wait() {
  Outcome run;
  run.err = std::move(said_);
  std::string_view left(options_.stdin_bytes);
  const auto deadline = Clock::now() + kLoad * options_.timeout;
  ::fcntl(in_, F_SETFL, O_NONBLOCK);
  const auto close_input = [&] {
    ::close(in_);
    in_ = -1;
  };
  if (left.empty()) close_input();
  bool out_open = true;
  bool err_open = true;
  while (out_open || err_open) {
    std::array<pollfd, 3> waits{pollfd{.fd = out_open ? out_ : -1, .events = POLLIN, .revents = 0},
                                pollfd{.fd = err_open ? err_ : -1, .events = POLLIN, .revents = 0},
                                pollfd{.fd = in_, .events = POLLOUT, .revents = 0}};
    const auto time_left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (time_left <= 0) {
      run.timed_out = true;
      ::kill(pid_, SIGKILL);
      break;
    }
    if (::poll(waits.data(), waits.size(), static_cast<int>(time_left)) <= 0) continue;
    if (waits[0].revents != 0) out_open = read_into(out_, run.out);
    if (waits[1].revents != 0) err_open = read_into(err_, run.err);
    if (waits[2].revents == 0) continue;
    const ssize_t count = ::write(in_, left.data(), left.size());
    if (count > 0) left.remove_prefix(static_cast<std::size_t>(count));
    if (left.empty() || (count < 0 && errno != EAGAIN && errno != EINTR)) close_input();
  }
  int status = 0;
  rusage usage{};
  ::wait4(pid_, &status, 0, &usage);
  run.peak_bytes = static_cast<std::size_t>(usage.ru_maxrss) * 1024;
  pid_ = -1;
  run.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return run;
}

Outcome run_program(const std::vector<std::string>& arguments, RunOptions options) {
  return Process(arguments, std::move(options)).wait();
}

TemporaryFolder::TemporaryFolder() {
  std::string pattern = (std::filesystem::temp_directory_path() / "hypercopy_test_XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp");
  path_ = pattern;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string TemporaryFolder::file(const std::string& name, std::string_view bytes) const {
  const std::string path = path_ + "/" + name;
  std::ofstream file(path, std::ios::binary);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  file.close();
  if (!file) throw std::runtime_error("cannot write " + path);
  return path;
}

}  // namespace hypercopy::test
