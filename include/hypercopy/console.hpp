// stderr, shared by log lines and a progress bar without one spoiling the other.
// Shape:   log lines are "hypercopy: <level: >message", the further lines of a message are indented; a bar is
//          a line without newline that is erased before and drawn again behind a log line. Each call is one
//          write.
// Owns:    borrows the file descriptor.
// Threads: any; one mutex.
// Errors:  write errors are ignored: nothing can be said about them anywhere. SIGPIPE is the program's to
//          ignore.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace hypercopy {

enum class LogLevel : std::uint8_t { error, warning, info, verbose };

class Console {
 public:
  enum class Prefix : std::uint8_t {
    name,  // "hypercopy: error: message"; the level is named for errors and warnings only
    date,  // "2026/05/15 12:00:00 message", local time, no level: the log of timescaledb-parallel-copy
  };

  // `verbose`: whether LogLevel::verbose is shown.
  Console(int fd, std::string name, bool verbose, Prefix prefix = Prefix::name);
  ~Console();
  Console(const Console&) = delete;
  Console& operator=(const Console&) = delete;

  void log(LogLevel level, std::string_view message);
  // A line as it is, without prefix.
  void line(std::string_view text);
  // Replaces the bar; an empty text takes it away. `text` must be shorter than width(). Nothing happens where
  // is_terminal() is false.
  void bar(std::string_view text);
  // Leaves the bar standing and goes to the next line.
  void end_bar();

  // Whether lines can be erased: the descriptor is a terminal, and TERM is not "dumb".
  [[nodiscard]] bool is_terminal() const;
  // Columns of the terminal as they are now; 80 where unknown.
  [[nodiscard]] std::size_t width() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace hypercopy
