#include "terminal.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <termios.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>

namespace hypercopy {

namespace {

// A signal handler can reach nothing but static storage.
std::atomic<Cancellation*> signal_target{nullptr};
std::atomic<int> first_signal{0};

void on_signal(int number) {
  int none = 0;
  first_signal.compare_exchange_strong(none, number);
  if (Cancellation* const target = signal_target.load()) target->escalate();
}

class QuietTerminal {
 public:
  explicit QuietTerminal(int fd) : fd_(fd), changed_(::tcgetattr(fd, &before_) == 0) {
    if (!changed_) return;
    termios quiet = before_;
    quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    ::tcsetattr(fd_, TCSAFLUSH, &quiet);
  }
  ~QuietTerminal() {
    if (changed_) ::tcsetattr(fd_, TCSAFLUSH, &before_);
  }
  QuietTerminal(const QuietTerminal&) = delete;
  QuietTerminal& operator=(const QuietTerminal&) = delete;

 private:
  int fd_;
  termios before_{};
  bool changed_;
};

Status write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t count = ::write(fd, text.data(), text.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return fail(ErrorKind::output, std::strerror(errno));
    text.remove_prefix(static_cast<std::size_t>(count));
  }
  return {};
}

void overwrite(char* begin, char* end) {
  for (char* at = begin; at < end; ++at) *at = 'x';
}

// The end of a value in a connection string of keywords: a backslash takes the next byte as it is.
char* end_of_value(char* at, const char* ends) {
  while (*at != '\0' && std::strchr(ends, *at) == nullptr) at += at[0] == '\\' && at[1] != '\0' ? 2 : 1;
  return at;
}

// "password=..." up to the next blank, a quoted value up to its quote; in a URI up to the next &.
void hide_keyword(char* word) {
  static constexpr std::string_view kKeyword = "password";
  static constexpr const char* kBlanks = " \t\n\r\f\v";
  const bool uri = std::strstr(word, "://") != nullptr;
  for (char* at = std::strstr(word, kKeyword.data()); at != nullptr;
       at = std::strstr(at + 1, kKeyword.data())) {
    char* value = at + kKeyword.size();
    value += std::strspn(value, kBlanks);
    if (*value != '=') continue;
    ++value;
    if (uri) {
      overwrite(value, value + std::strcspn(value, "&"));
      continue;
    }
    value += std::strspn(value, kBlanks);
    const bool quoted = *value == '\'';
    if (quoted) ++value;
    overwrite(value, end_of_value(value, quoted ? "'" : kBlanks));
  }
}

// "scheme://user:password@host": libpq looks for the @ up to the first slash, whatever else is in between.
void hide_uri(char* word) {
  char* const scheme = std::strstr(word, "://");
  if (scheme == nullptr) return;
  char* const authority = scheme + 3;
  char* at = authority + std::strcspn(authority, "/");
  while (at > authority && *at != '@') --at;
  char* const colon =
      static_cast<char*>(std::memchr(authority, ':', static_cast<std::size_t>(at - authority)));
  if (*at == '@' && colon != nullptr) overwrite(colon + 1, at);
}

}  // namespace

std::optional<std::string> ask_password(const std::string& user) {
  const int fd = ::open("/dev/tty", O_RDWR | O_CLOEXEC);
  if (fd < 0) return std::nullopt;
  std::string password;
  bool complete = false;
  {
    const QuietTerminal quiet(fd);
    const std::string prompt = user.empty() ? "Password: " : fmt::format("Password for user {}: ", user);
    static_cast<void>(write_all(fd, prompt));
    char byte = 0;
    while (!complete && ::read(fd, &byte, 1) == 1) {
      if (byte == '\n') {
        complete = true;
      } else {
        password += byte;
      }
    }
    static_cast<void>(write_all(fd, "\n"));
  }
  ::close(fd);
  if (!complete) return std::nullopt;
  return password;
}

void hide_passwords(int argc, char** argv) {
  for (int index = 1; index < argc; ++index) {
    hide_keyword(argv[index]);
    hide_uri(argv[index]);
  }
}

void occupy_standard_files() {
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(fd, F_GETFD) != -1) continue;
    // open(2) takes the lowest free number. The wrong direction on purpose: use is an error, not silence.
    [[maybe_unused]] const int opened = ::open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
  }
}

void handle_signals(Cancellation& cancellation) {
  signal_target.store(&cancellation);
  struct sigaction action {};
  action.sa_handler = on_signal;
  // Each waits for the other's handler, so that the first one to arrive is the one that is told.
  sigemptyset(&action.sa_mask);
  sigaddset(&action.sa_mask, SIGINT);
  sigaddset(&action.sa_mask, SIGTERM);
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
  // A closed pipe is an error of write(2), not the end of the process.
  ::signal(SIGPIPE, SIG_IGN);
}

int received_signal() { return first_signal.load(); }

Status write_stdout(std::string_view text) {
  auto written = write_all(STDOUT_FILENO, text);
  if (written) return {};
  return fail(ErrorKind::output, fmt::format("cannot write to standard output: {}", written.error().message));
}

}  // namespace hypercopy
