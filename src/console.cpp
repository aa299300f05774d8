#include "hypercopy/console.hpp"

#include <poll.h>
#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <mutex>

namespace hypercopy {
namespace {

constexpr std::size_t kUnknownWidth = 80;
constexpr std::string_view kEraseLine = "\r\x1b[K";
constexpr std::string_view kIndent = "\n  ";

void write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written > 0) {
      bytes.remove_prefix(static_cast<std::size_t>(written));
      continue;
    }
    if (written < 0 && errno == EAGAIN) {
      // Somebody made the terminal non-blocking for all who share it.
      pollfd writable{.fd = fd, .events = POLLOUT, .revents = 0};
      ::poll(&writable, 1, -1);
      continue;
    }
    if (written < 0 && errno == EINTR) {
      continue;
    }
    return;
  }
}

bool can_erase_lines(int fd) {
  const char* term = std::getenv("TERM");
  return ::isatty(fd) == 1 && (term == nullptr || std::string_view{term} != "dumb");
}

// "warning: " and "error: "; nothing for the levels that need no name.
class LevelPrefix final : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&, spdlog::memory_buf_t& out) override {
    std::string_view text;
    if (message.level == spdlog::level::warn) {
      text = "warning: ";
    } else if (message.level >= spdlog::level::err) {
      text = "error: ";
    }
    out.append(text.data(), text.data() + text.size());
  }
  [[nodiscard]] std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<LevelPrefix>();
  }
};

// The message, its further lines indented.
class IndentedText final : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&, spdlog::memory_buf_t& out) override {
    for (const char byte : message.payload) {
      if (byte == '\n') {
        out.append(kIndent.data(), kIndent.data() + kIndent.size());
      } else {
        out.push_back(byte);
      }
    }
  }
  [[nodiscard]] std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<IndentedText>();
  }
};

std::unique_ptr<spdlog::formatter> make_formatter(Console::Prefix prefix) {
  auto formatter = std::make_unique<spdlog::pattern_formatter>();
  formatter->add_flag<LevelPrefix>('*').add_flag<IndentedText>('&');
  formatter->set_pattern(prefix == Console::Prefix::name ? "%n: %*%&" : "%Y/%m/%d %H:%M:%S %&");
  return formatter;
}

spdlog::level::level_enum spdlog_level(LogLevel level) {
  switch (level) {
    case LogLevel::error:
      return spdlog::level::err;
    case LogLevel::warning:
      return spdlog::level::warn;
    case LogLevel::info:
      return spdlog::level::info;
    case LogLevel::verbose:
      return spdlog::level::debug;
  }
  return spdlog::level::err;
}

// Lines and the bar on one descriptor, behind spdlog's mutex.
class BarSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit BarSink(int fd) : fd_(fd), erases_lines_(can_erase_lines(fd)) {}

  void line(std::string_view text) {
    const std::lock_guard lock(mutex_);
    write_line(text, "\n");
  }

  void bar(std::string_view text) {
    const std::lock_guard lock(mutex_);
    if (!erases_lines_ || (text.empty() && bar_.empty())) {
      return;
    }
    bar_ = text;
    write_all(fd_, std::string{kEraseLine} + bar_);
  }

  void end_bar() {
    const std::lock_guard lock(mutex_);
    if (!bar_.empty()) {
      bar_.clear();
      write_all(fd_, "\n");
    }
  }

  [[nodiscard]] bool erases_lines() const { return erases_lines_; }

  [[nodiscard]] std::size_t width() const {
    winsize size{};
    return ::ioctl(fd_, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : kUnknownWidth;
  }

 private:
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t formatted;
    formatter_->format(message, formatted);
    write_line({formatted.data(), formatted.size()}, {});
  }

  void flush_() override {}

  void write_line(std::string_view text, std::string_view newline) {
    std::string bytes;
    if (!bar_.empty()) {
      bytes += kEraseLine;
    }
    bytes.append(text).append(newline).append(bar_);
    write_all(fd_, bytes);
  }

  const int fd_;
  const bool erases_lines_;
  std::string bar_;  // protected by mutex_
};

}  // namespace

struct Console::State {
  std::shared_ptr<BarSink> sink;
  spdlog::logger logger;
};

Console::Console(int fd, std::string name, bool verbose, Prefix prefix) {
  auto sink = std::make_shared<BarSink>(fd);
  sink->set_formatter(make_formatter(prefix));
  spdlog::logger logger(std::move(name), sink);
  logger.set_level(verbose ? spdlog::level::debug : spdlog::level::info);
  state_ = std::make_unique<State>(State{std::move(sink), std::move(logger)});
}

Console::~Console() = default;

void Console::log(LogLevel level, std::string_view message) {
  state_->logger.log(spdlog_level(level), spdlog::string_view_t(message.data(), message.size()));
}

void Console::line(std::string_view text) { state_->sink->line(text); }

void Console::bar(std::string_view text) { state_->sink->bar(text); }

void Console::end_bar() { state_->sink->end_bar(); }

bool Console::is_terminal() const { return state_->sink->erases_lines(); }

std::size_t Console::width() const { return state_->sink->width(); }

}  // namespace hypercopy
