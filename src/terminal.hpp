// What the process itself owns: the password prompt on the terminal, signals, the words of argv, standard
// output.
// Threads: main's only, but for the signal handler.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "hypercopy/cancellation.hpp"
#include "hypercopy/result.hpp"

namespace hypercopy {

// Asks on /dev/tty without echo; nothing when there is no terminal.
[[nodiscard]] std::optional<std::string> ask_password(const std::string& user);

// Overwrites passwords in connection strings among the process's arguments, so that ps(1) does not show them.
// Call it when the arguments have been copied.
void hide_passwords(int argc, char** argv);

// Where the caller closed standard input, output or error, puts a file there that cannot be read (written), so that no
// file opened later takes its number and is taken for it.
void occupy_standard_files();

// From now on SIGINT and SIGTERM escalate `cancellation`, which must live as long as the process takes
// signals.
void handle_signals(Cancellation& cancellation);
// The first signal that came, or 0.
[[nodiscard]] int received_signal();

// Writes all of it to standard output; an error names what the reader of it did (closed pipe, full disk).
[[nodiscard]] Status write_stdout(std::string_view text);

}  // namespace hypercopy
